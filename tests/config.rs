//! The configuration: what is given, what is refused and how it is said, and reloading.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use nmi_guard::config::{Config, Entry, Given, KEYS, Origin, Reloader};
use nmi_guard::observe::{Condition, ConditionState, Conditions, LogFormat, Metrics};
use nmi_guard::policy::{self, Policy, Severity};
use tempfile::TempDir;

fn config(yaml: &str) -> Config {
    Config::new([&given(yaml)]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn given(yaml: &str) -> Given {
    Given::from_yaml(Path::new("c.yaml"), yaml).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The errors of `yaml`, as printed.
fn errors(yaml: &str) -> Vec<String> {
    let outcome = Given::from_yaml(Path::new("c.yaml"), yaml).and_then(|given| Config::new([&given]));
    let errors = outcome.expect_err("the configuration is refused").to_string();
    errors.lines().map(str::to_owned).collect()
}

fn default_of(config: &Config, key: &str) -> String {
    (policy::find(key).unwrap().show)(&config.policy.defaults)
}

#[test]
fn every_section_is_read() {
    let config = config(
        "
defaults:
  nmi-port: 9000
  checks: [init, readiness]
  image: registry.example/nmi-guard:2
policy:
  host-network: deny
  invalid-annotations: warn
  sidecars: [istio-proxy, my-proxy]
server:
  listen: 127.0.0.1:9443
  max-body-bytes: 5000000
  max-in-flight: 8
  shutdown-delay: 500ms
certificates:
  namespace: guards
  dns-names: [guard.example.org, 10.0.0.1]
  ca-lifetime: 90d
  leaf-lifetime: 12h
log:
  format: json
  level: debug
kubeconfig: /etc/kubeconfig
",
    );
    assert_eq!(default_of(&config, "nmi-port"), "9000");
    assert_eq!(default_of(&config, "checks"), "init,readiness");
    assert_eq!(default_of(&config, "image"), "registry.example/nmi-guard:2");
    assert_eq!(config.policy.host_network, Severity::Deny);
    assert_eq!(config.policy.invalid_annotations, Severity::Warn);
    assert_eq!(config.policy.sidecars, ["istio-proxy", "my-proxy"]);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9443");
    assert_eq!(config.server.admin_listen.to_string(), "[::]:8081", "left out, so the default");
    assert_eq!(config.server.max_body_bytes, 5_000_000);
    assert_eq!(config.server.max_in_flight, 8);
    assert_eq!(config.server.shutdown_delay, Duration::from_millis(500));
    assert_eq!(config.certificates.namespace, "guards");
    assert_eq!(config.certificates.dns_names, ["guard.example.org", "10.0.0.1"]);
    assert_eq!(config.certificates.ca_lifetime, Duration::from_secs(90 * 86400));
    assert_eq!(config.certificates.leaf_lifetime, Duration::from_secs(12 * 3600));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.level.to_string(), "debug");
    assert_eq!(config.kubeconfig, Some(PathBuf::from("/etc/kubeconfig")));
}

#[test]
fn nothing_is_a_configuration_too() {
    for yaml in ["", "# nothing\n", "defaults:\nserver: {}\n", "server: {max-in-flight: null}", "---\n"] {
        assert_eq!(config(yaml).policy, Policy::default(), "{yaml:?}");
    }
}

#[test]
fn a_list_can_be_empty_or_given_as_text() {
    assert!(config("policy: {sidecars: []}").policy.sidecars.is_empty());
    assert_eq!(config("policy: {sidecars: 'a, b'}").policy.sidecars, ["a", "b"]);
}

#[test]
fn all_errors_are_named_at_once_each_with_its_place() {
    let errors = errors(
        "
defaults:
  nmi-prot: 8085
  nmi-port: 70000
policy:
  host-network: maybe
server:
  max-in-flight: [1, 2]
  shutdown-delay: 5
sever:
  listen: ':1'
",
    );
    let expected = [
        "c.yaml:3:13: defaults.nmi-prot is not a known key; did you mean defaults.nmi-port?",
        "c.yaml:4:13: defaults.nmi-port: \"70000\" is not allowed; allowed: ",
        "c.yaml:6:17: policy.host-network: \"maybe\" is not allowed; allowed: warn or deny",
        "c.yaml:8:18: server.max-in-flight: \"1,2\" is not allowed; allowed: a whole number from 1 to 10000",
        "c.yaml:9:19: server.shutdown-delay: \"5\" is not allowed; allowed: a duration from 0s to 10m, such as 5s",
        "c.yaml:11:11: sever.listen is not a known key; did you mean server.listen?",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error:?} does not start with {expected:?}");
    }
}

#[test]
fn a_key_unlike_any_other_gets_no_suggestion() {
    assert_eq!(
        errors("server: {zzzzzzzzzzzzzzzzzz: 1}"),
        ["c.yaml:1:30: server.zzzzzzzzzzzzzzzzzz is not a known key"]
    );
}

#[test]
fn syntax_errors_have_line_and_column() {
    for (yaml, place) in [
        ("server: {max-in-flight: 1\nlog: [", "c.yaml:2:"),
        ("server:\n  listen: \"open\n", "c.yaml:"),
        ("server:\n  listen: ':1'\n  listen: ':2'\n", "c.yaml:3:3: "),
        ("- server\n", "c.yaml:1:1: expected sections with keys"),
        ("server\n", "c.yaml:1:1: expected sections with keys"),
        ("server:\n  listen: {a: b}\n", "c.yaml:2:11: server.listen: expected a value, or a list of values"),
    ] {
        let errors = errors(yaml);
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert!(errors[0].starts_with(place), "{:?} does not start with {place:?}", errors[0]);
        assert!(errors[0].len() > place.len() || place.len() > 20, "{:?}", errors[0]);
    }
}

#[test]
fn what_cannot_be_together_is_refused() {
    let lifetimes = errors("certificates: {ca-lifetime: 1d, leaf-lifetime: 24h}");
    assert!(lifetimes[0].contains("certificates.leaf-lifetime") && lifetimes[0].contains("shorter"));
    let addresses = errors("server: {listen: ':8443', admin-listen: ':8443'}");
    assert!(addresses[0].contains("server.admin-listen") && addresses[0].contains("[::]:8443"));
}

#[test]
fn a_later_layer_wins_and_its_errors_name_where_they_come_from() {
    let entry =
        |origin, key: &str, value: &str| Entry { origin, key: key.to_owned(), value: value.to_owned() };
    let file = given("server: {max-in-flight: 1, max-body-bytes: 2000}");
    let environment = entry(Origin::Environment("NMI_GUARD_MAX_IN_FLIGHT"), "server.max-in-flight", "2");
    let flag = entry(Origin::Flag("max-in-flight"), "server.max-in-flight", "3");
    let both = Given(vec![environment.clone(), flag]);
    let in_flight = |layers: &[&Given]| Config::new(layers.iter().copied()).unwrap().server.max_in_flight;
    assert_eq!(in_flight(&[&file]), 1);
    assert_eq!(in_flight(&[&file, &Given(vec![environment])]), 2);
    assert_eq!(in_flight(&[&file, &both]), 3);
    assert_eq!(Config::new([&file, &both]).unwrap().server.max_body_bytes, 2000);

    let bad = Given(vec![
        entry(Origin::Environment("NMI_GUARD_LISTEN"), "server.listen", "x"),
        entry(Origin::Flag("listen"), "server.listen", "y"),
    ]);
    let errors = Config::new([&bad]).unwrap_err().to_string();
    let lines: Vec<&str> = errors.lines().collect();
    assert!(lines[0].starts_with("NMI_GUARD_LISTEN: server.listen: \"x\""), "{errors}");
    assert!(lines[1].starts_with("--listen: server.listen: \"y\""), "{errors}");
}

#[test]
fn the_table_of_keys_is_consistent() {
    for key in KEYS {
        // A flag is called as its key, with the section where that alone would say too little; one that
        // is repeated is in the singular.
        let full = key.path.replace('.', "-");
        let plural = if key.is_list { format!("{}s", key.flag) } else { key.flag.to_owned() };
        assert!(full == plural || full.ends_with(&format!("-{plural}")), "{}", key.path);
        let variable = format!("NMI_GUARD_{}", plural.to_uppercase().replace('-', "_"));
        assert_eq!(key.env, variable, "{}", key.path);
        assert_eq!(key.is_live, key.path.starts_with("policy."), "{}", key.path);
        let is_only = |other: &&nmi_guard::config::Key| other.flag == key.flag || other.env == key.env;
        assert_eq!(KEYS.iter().filter(is_only).count(), 1, "{}", key.path);
    }
}

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
        Arc::clone(&policy),
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
