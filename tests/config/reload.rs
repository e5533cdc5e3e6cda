//! Changes of the file while running.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use nmi_guard::config::{Config, Entry, Given, Origin, Reloader};
use nmi_guard::observe::{Condition, ConditionState, Conditions, Metrics};
use nmi_guard::policy::{self, Policy, Severity};
use tempfile::TempDir;

/// A configuration file and what watches over it.
struct Watched {
    _dir: TempDir,
    path: PathBuf,
    reloader: Reloader,
    policy: Arc<ArcSwap<Policy>>,
    conditions: Conditions,
    metrics: Metrics,
}

fn watch(dir: TempDir, path: PathBuf, arguments: Given) -> Watched {
    let content = std::fs::read_to_string(&path).unwrap();
    let file = Given::from_yaml(&path, &content).unwrap();
    let config = Config::new([&file, &arguments]).unwrap();
    let policy = Arc::new(ArcSwap::from_pointee(config.policy.clone()));
    let (conditions, metrics) = (Conditions::default(), Metrics::default());
    let reloader = Reloader::new(
        path.clone(),
        content,
        arguments,
        config,
        {
            let policy = Arc::clone(&policy);
            move |new| policy.store(Arc::new(new))
        },
        conditions.clone(),
        metrics.clone(),
    );
    Watched { _dir: dir, path, reloader, policy, conditions, metrics }
}

fn watch_file(content: &str) -> Watched {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("config.yaml");
    std::fs::write(&path, content).unwrap();
    watch(dir, path, Given::default())
}

fn yaml(port: u32) -> String {
    format!("defaults: {{nmi-port: {port}}}\n")
}

impl Watched {
    fn port(&self) -> String {
        (policy::find("nmi-port").unwrap().show)(&self.policy.load().defaults)
    }

    fn state(&self) -> ConditionState {
        let conditions = self.conditions.list();
        let is_ours = |condition: &&Condition| condition.name == "configuration";
        conditions.iter().find(is_ours).expect("the condition is there").state.clone()
    }

    fn reloads(&self) -> (u32, u32) {
        let text = self.metrics.encode().unwrap();
        let count = |result: &str| {
            let series = format!("nmi_guard_config_reloads_total{{result=\"{result}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(series.as_str())).unwrap().parse().unwrap()
        };
        (count("success"), count("failure"))
    }

    async fn write(&mut self, content: &str) {
        std::fs::write(&self.path, content).unwrap();
        self.reloader.poll().await;
    }
}

#[tokio::test]
async fn good_bad_good() {
    let mut watched = watch_file(&yaml(1));
    assert_eq!((watched.port().as_str(), watched.state()), ("1", ConditionState::Ok));
    watched.reloader.poll().await;
    assert_eq!(watched.reloads(), (0, 0), "nothing has changed");

    watched.write(&yaml(2)).await;
    assert_eq!((watched.port().as_str(), watched.reloads()), ("2", (1, 0)));

    watched.write("defaults: {nmi-port: 0, nmi-prot: 1}\n").await;
    assert_eq!((watched.port().as_str(), watched.reloads()), ("2", (1, 1)));
    let ConditionState::Degraded(reason) = watched.state() else { panic!("{:?}", watched.state()) };
    assert!(reason.contains("nmi-port") && reason.contains("nmi-prot"), "all errors: {reason}");
    assert!(!reason.contains('\n'), "one line of /readyz: {reason}");
    watched.reloader.poll().await;
    assert_eq!(watched.reloads(), (1, 1), "a bad file counts once");

    watched.write("defaults: [").await;
    assert_eq!((watched.port().as_str(), watched.reloads()), ("2", (1, 2)));

    watched.write(&yaml(3)).await;
    assert_eq!((watched.port().as_str(), watched.state()), ("3", ConditionState::Ok));
    assert_eq!(watched.reloads(), (2, 2));
}

#[tokio::test]
async fn a_file_that_goes_away_leaves_the_last_good_one() {
    let mut watched = watch_file(&yaml(1));
    std::fs::remove_file(&watched.path).unwrap();
    watched.reloader.poll().await;
    assert_eq!(watched.port(), "1");
    let ConditionState::Degraded(reason) = watched.state() else { panic!("{:?}", watched.state()) };
    assert!(reason.contains("can't be read"), "{reason}");
    watched.write(&yaml(1)).await;
    assert_eq!((watched.port().as_str(), watched.state()), ("1", ConditionState::Ok));
}

#[tokio::test]
async fn arguments_win_over_a_reloaded_file_too() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("config.yaml");
    std::fs::write(&path, yaml(1)).unwrap();
    let key = "defaults.nmi-port".to_owned();
    let flag = Entry { origin: Origin::Flag("set"), key, value: "7".to_owned() };
    let mut watched = watch(dir, path, Given(vec![flag]));
    watched.write(&(yaml(2) + "policy: {host-network: deny}\n")).await;
    assert_eq!(watched.port(), "7");
    assert_eq!(watched.policy.load().host_network, Severity::Deny);
}

#[tokio::test]
async fn a_reloader_polls_by_itself() {
    let watched = watch_file(&yaml(1));
    let Watched { reloader, policy, path, _dir, .. } = watched;
    let before = policy.load_full();
    let task = tokio::spawn(reloader.run(Duration::from_millis(10)));
    std::fs::write(path, yaml(2)).unwrap();
    let changed = async {
        while *policy.load_full() == *before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), changed).await.expect("the change is seen");
    task.abort();
}

/// Updates a mounted ConfigMap as the kubelet does: a new folder, and the symlink `..data` renamed
/// to point to it (k8s.io/kubernetes pkg/volume/util/atomic_writer.go).
fn swap(mount: &Path, version: u32, content: &str) {
    let folder = format!("..version_{version}");
    std::fs::create_dir(mount.join(&folder)).unwrap();
    std::fs::write(mount.join(&folder).join("config.yaml"), content).unwrap();
    let old = std::fs::read_link(mount.join("..data")).ok();
    symlink(&folder, mount.join("..data_tmp")).unwrap();
    std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    if let Some(old) = old {
        std::fs::remove_dir_all(mount.join(old)).unwrap();
    }
}

#[tokio::test]
async fn each_swap_of_a_mounted_config_map_is_seen() {
    let dir = TempDir::new().unwrap();
    let mount = dir.path().to_owned();
    swap(&mount, 1, &yaml(1));
    symlink("..data/config.yaml", mount.join("config.yaml")).unwrap();
    let mut watched = watch(dir, mount.join("config.yaml"), Given::default());
    for version in 2..=4 {
        swap(&mount, version, &yaml(version));
        watched.reloader.poll().await;
        assert_eq!(watched.port(), version.to_string());
    }
    assert_eq!(watched.reloads(), (3, 0));
}
