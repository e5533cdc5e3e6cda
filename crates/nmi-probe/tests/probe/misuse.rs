//! What was asked for wrongly, and help.

use crate::process::{Outcome, probe, run};

#[track_caller]
fn assert_misused(outcome: &Outcome, words: &str) {
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{outcome:?}");
    assert_eq!(outcome.stderr, format!("misused: {words}\n"));
}

#[test]
fn a_wrong_command_line_is_misuse() {
    for (line, words) in [
        ("", "no command given; there are check, wait, serve and install"),
        ("verify", r#"unknown command "verify"; there are check, wait, serve and install"#),
        ("check --port=99999", r#"--port is "99999"; allowed is a port from 1 to 65535"#),
        (
            "check --interval=2s",
            r#"unknown flag "--interval"; check has --ask, --verify, --port, --path, --resource, --expect-identity, --timeout, --then, --header"#,
        ),
        ("wait --install=", r#"--install is ""; allowed is a directory"#),
        ("install", "install needs one directory"),
    ] {
        assert_misused(&run(probe(line, &[("HOST_IP", "127.0.0.1")])), words);
    }
}

#[test]
fn a_missing_address_is_misuse() {
    let words = "neither NMI_GUARD_HOST_IP nor HOST_IP is set; healthz needs the node's IP address there";
    for line in ["check", "check --verify=healthz", "wait --timeout=1s"] {
        assert_misused(&run(probe(line, &[])), words);
    }
}

#[test]
fn a_wrong_address_is_misuse_rather_than_looked_up() {
    let outcome = run(probe("check", &[("HOST_IP", "localhost")]));
    assert_misused(&outcome, r#"HOST_IP is "localhost"; allowed is an IP address"#);
    let outcome = run(probe("check", &[("HOST_IP", "127.0.0.1"), ("NMI_GUARD_HOST_IP", "::1\n")]));
    assert_misused(&outcome, r#"NMI_GUARD_HOST_IP is "::1\n"; allowed is an IP address"#);
    let outcome =
        run(probe("check --verify=interception", &[("NMI_GUARD_METADATA_ADDRESS", "localhost:80")]));
    let allowed = "allowed is an IP address and a port, such as 127.0.0.1:80 or [::1]:80";
    assert_misused(&outcome, &format!(r#"NMI_GUARD_METADATA_ADDRESS is "localhost:80"; {allowed}"#));
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = run(probe("--help", &[]));
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Usage:") && help.stdout.ends_with(".\n"), "{help:?}");
    let version = run(probe("--version", &[]));
    assert_eq!(version.code, Some(0));
    assert_eq!(version.stdout, concat!("nmi-probe ", env!("CARGO_PKG_VERSION"), "\n"));
}
