//! Certificates in files: written, read, replaced in every way the kubelet and people do it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nmi_guard::cluster::CERTIFICATE;
use nmi_guard::cluster::directory::{Directory, DirectoryConfig, write_set};
use nmi_guard::observe::{ConditionState, Conditions};
use nmi_guard::pki::{CertificateStore, Lifetimes, Material, development_set};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::{DAY, entry, names, serving, set};

const DEADLINE: Duration = Duration::from_secs(30);

fn config(dir: &Path) -> DirectoryConfig {
    DirectoryConfig { dir: dir.into(), poll: Duration::from_millis(10), names: names(&[]), webhook: None }
}

fn now_set() -> Material {
    set(SystemTime::now())
}

/// A folder that is being served, as the server does it.
struct Served {
    store: CertificateStore,
    conditions: Conditions,
    shutdown: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    fn start(dir: &Path) -> Self {
        let (store, conditions) = (CertificateStore::default(), Conditions::default());
        let directory = Directory::open(config(dir), store.clone(), conditions.clone()).unwrap();
        let (shutdown, stopped) = watch::channel(false);
        Self { store, conditions, shutdown, task: tokio::spawn(directory.run(stopped)) }
    }

    fn serves(&self, material: &Material) -> bool {
        self.store.current().is_some_and(|current| *current == serving(material, SystemTime::now()))
    }

    fn state(&self) -> ConditionState {
        let all = self.conditions.list();
        all.into_iter().find(|condition| condition.name == CERTIFICATE).unwrap().state
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < DEADLINE, "{what}: {:?}", self.state());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_serving(&self, material: &Material) {
        self.until("the certificate is served", |served| {
            served.serves(material) && served.state() == ConditionState::Ok
        })
        .await;
    }

    async fn until_degraded(&self, reason: &str) {
        self.until(
            reason,
            |served| matches!(served.state(), ConditionState::Degraded(text) if text.contains(reason)),
        )
        .await;
    }

    async fn stop(self) {
        self.shutdown.send(true).unwrap();
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
    }
}

/// A mounted Secret: the files link to `..data/NAME`, `..data` links to a folder of one version.
struct Mount {
    dir: TempDir,
    version: u32,
}

impl Mount {
    fn new(material: &Material) -> Self {
        let mut mount = Self { dir: TempDir::new().unwrap(), version: 0 };
        mount.swap(material);
        for (name, _) in material.entries() {
            symlink(Path::new("..data").join(name), mount.dir.path().join(name)).unwrap();
        }
        mount
    }

    /// What the kubelet's atomic writer does: new folder, link renamed over the old one, old folder
    /// removed.
    fn swap(&mut self, material: &Material) {
        let dir = self.dir.path();
        let (old, new) = (format!("..v{}", self.version), format!("..v{}", self.version + 1));
        write_set(&dir.join(&new), material, false).unwrap();
        symlink(&new, dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
        let _ = fs::remove_dir_all(dir.join(old));
        self.version += 1;
    }
}

#[tokio::test]
async fn the_kubelets_swap_is_seen_every_time() {
    let mut mount = Mount::new(&now_set());
    let served = Served::start(mount.dir.path());
    for _ in 0..3 {
        let material = now_set();
        mount.swap(&material);
        served.until_serving(&material).await;
    }
    served.stop().await;
}

#[tokio::test]
async fn two_swaps_between_two_looks_end_with_the_last() {
    let mut mount = Mount::new(&now_set());
    let served = Served::start(mount.dir.path());
    let (first, second) = (now_set(), now_set());
    mount.swap(&first);
    mount.swap(&second);
    served.until_serving(&second).await;
    served.stop().await;
}

#[tokio::test]
async fn a_pair_that_is_half_written_keeps_the_last_good_one() {
    let dir = TempDir::new().unwrap();
    let (good, new) = (now_set(), now_set());
    write_set(dir.path(), &good, false).unwrap();
    let served = Served::start(dir.path());
    fs::write(dir.path().join("tls.crt"), entry(&new, "tls.crt")).unwrap();
    served.until_degraded("the private key does not belong to the certificate").await;
    assert!(served.serves(&good));
    assert!(served.conditions.ready());
    write_set(dir.path(), &new, true).unwrap();
    served.until_serving(&new).await;
    served.stop().await;
}

#[tokio::test]
async fn bad_files_keep_the_last_good_pair_and_say_why() {
    let dir = TempDir::new().unwrap();
    let good = now_set();
    let expired = set(SystemTime::now() - 40 * DAY);
    write_set(dir.path(), &good, false).unwrap();
    let served = Served::start(dir.path());
    let certificate = entry(&good, "tls.crt");
    let truncated = &certificate[..certificate.len() / 2];
    let bad: [(&[u8], &[u8], &str); 4] = [
        (b"", entry(&good, "tls.key"), "no certificate found"),
        (truncated, entry(&good, "tls.key"), "certificate 1 of the chain is damaged"),
        (certificate, b"", "no private key found"),
        (entry(&expired, "tls.crt"), entry(&expired, "tls.key"), "the certificate expired at"),
    ];
    for (certificate, key, reason) in bad {
        fs::write(dir.path().join("tls.crt"), certificate).unwrap();
        fs::write(dir.path().join("tls.key"), key).unwrap();
        served.until_degraded(reason).await;
        assert!(served.serves(&good), "{reason}");
    }
    fs::remove_file(dir.path().join("tls.key")).unwrap();
    served.until_degraded("can't read").await;
    write_set(dir.path(), &good, true).unwrap();
    served.until_serving(&good).await;
    served.stop().await;
}

#[tokio::test]
async fn a_ca_of_another_set_is_reported() {
    let dir = TempDir::new().unwrap();
    let good = now_set();
    write_set(dir.path(), &good, false).unwrap();
    let served = Served::start(dir.path());
    fs::write(dir.path().join("ca.crt"), entry(&now_set(), "ca.crt")).unwrap();
    served.until_degraded("ca.crt does not fit tls.crt").await;
    fs::remove_file(dir.path().join("ca.crt")).unwrap();
    served.until_serving(&good).await;
    served.stop().await;
}

#[tokio::test]
async fn readiness_ends_with_the_certificate() {
    let dir = TempDir::new().unwrap();
    let lifetimes = Lifetimes::new(Duration::from_secs(60), Duration::from_secs(5)).unwrap();
    let short = development_set(&names(&[]), &lifetimes, SystemTime::now()).unwrap();
    write_set(dir.path(), &short, false).unwrap();
    let served = Served::start(dir.path());
    assert!(served.conditions.ready());
    served.until("readiness ends", |served| !served.conditions.ready()).await;
    let new = now_set();
    write_set(dir.path(), &new, true).unwrap();
    served.until_serving(&new).await;
    assert!(served.conditions.ready());
    served.stop().await;
}

#[test]
fn a_bad_folder_is_an_error_at_the_start() {
    let open = |dir: &Path| {
        let store = CertificateStore::default();
        match Directory::open(config(dir), store.clone(), Conditions::default()) {
            Ok(_) => panic!("it was opened"),
            Err(error) => {
                assert!(store.current().is_none());
                error.to_string()
            }
        }
    };
    let dir = TempDir::new().unwrap();
    assert!(open(dir.path()).starts_with("can't read "));
    let (one, other) = (now_set(), now_set());
    write_set(dir.path(), &one, false).unwrap();
    fs::write(dir.path().join("tls.key"), entry(&other, "tls.key")).unwrap();
    assert!(open(dir.path()).contains("the private key does not belong to the certificate"));
    write_set(dir.path(), &set(SystemTime::now() - 40 * DAY), true).unwrap();
    assert!(open(dir.path()).contains("the certificate expired at"));
    fs::write(dir.path().join("tls.crt"), vec![b'x'; 2 * 1024 * 1024]).unwrap();
    assert!(open(dir.path()).contains("more than 1048576 is no certificate"));
}

#[test]
fn a_set_is_written_with_private_keys_and_never_over_another() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path().join("certs");
    let (one, other) = (now_set(), now_set());
    write_set(&dir, &one, false).unwrap();
    let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("tls.key"), mode("ca.key")], [0o600, 0o600]);
    let error = write_set(&dir, &other, false).unwrap_err().to_string();
    assert!(error.contains("tls.crt exists already") && error.contains("--force"), "{error}");
    assert_eq!(fs::read(dir.join("ca.key")).unwrap(), entry(&one, "ca.key"));
    write_set(&dir, &other, true).unwrap();
    for (name, content) in other.entries() {
        assert_eq!(fs::read(dir.join(name)).unwrap(), content, "{name}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 4, "nothing else is left behind");
}
