//! OpenSSL's view of what the project makes, and the project's view of what `certs/own/make.sh` makes
//! with OpenSSL.

use std::path::Path;
use std::process::{Command, Output};
use std::time::SystemTime;

use nmi_guard::cluster::directory::write_set;
use nmi_guard::pki::{ServingCertificate, trusts};
use tempfile::TempDir;

use crate::support::{HOST, entry, set};

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; is OpenSSL installed?"))
}

fn make(args: &[&str], dir: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("certs/own/make.sh");
    run(Command::new("sh").arg(script).args(args).arg(dir))
}

fn read(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(name)).unwrap()
}

fn verify(bundle: &Path, leaf: &Path) -> Output {
    let flags = ["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", HOST, "-CAfile"];
    run(Command::new("openssl").args(flags).arg(bundle).arg(leaf))
}

#[test]
fn the_script_makes_a_set_that_can_be_served() {
    let dir = TempDir::new().unwrap();
    let output = make(&[], dir.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Made at this second: OpenSSL does not backdate.
    let now = SystemTime::now();
    let (certificate, key) = (read(dir.path(), "tls.crt"), read(dir.path(), "tls.key"));
    let certificate = ServingCertificate::from_pem(&certificate, &key, now).unwrap();
    assert_eq!(trusts(&read(dir.path(), "ca.crt"), &certificate, HOST, now), Ok(()));
    assert!(verify(&dir.path().join("ca.crt"), &dir.path().join("tls.crt")).status.success());

    let again = make(&[], dir.path());
    assert_eq!(again.status.code(), Some(1), "nothing is overwritten");
    assert_eq!(read(dir.path(), "tls.key"), key);
}

#[test]
fn the_script_makes_a_request_with_the_names() {
    let dir = TempDir::new().unwrap();
    assert!(make(&["--request"], dir.path()).status.success());
    assert!(!dir.path().join("ca.key").exists());
    let show = ["req", "-noout", "-text", "-verify", "-in"];
    let output = run(Command::new("openssl").args(show).arg(dir.path().join("tls.csr")));
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("DNS:{HOST}, DNS:{HOST}.cluster.local")), "{text}");
}

#[test]
fn openssl_accepts_what_the_issuer_makes_also_among_several_cas() {
    let now = SystemTime::now();
    let (ours, other) = (set(now), set(now));
    let dir = TempDir::new().unwrap();
    write_set(dir.path(), &ours, false).unwrap();
    let bundle = dir.path().join("bundle.crt");
    // Made in the same second, so even their subjects agree: the key identifiers tell them apart.
    std::fs::write(&bundle, [entry(&other, "ca.crt"), entry(&ours, "ca.crt")].concat()).unwrap();
    let output = verify(&bundle, &dir.path().join("tls.crt"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(&bundle, entry(&other, "ca.crt")).unwrap();
    assert!(!verify(&bundle, &dir.path().join("tls.crt")).status.success());
}
