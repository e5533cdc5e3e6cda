#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn parsed(line: &str) -> Result<Command, Misuse> {
    parse(line.split_whitespace().map(OsString::from))
}

fn said(line: &str) -> String {
    parsed(line).unwrap_err().to_string()
}

#[test]
fn check_has_the_documented_defaults() {
    let Ok(Command::Check(check)) = parsed("check") else { panic!("not a check") };
    assert_eq!(check.asked.verify, Verify::Both);
    assert_eq!(check.asked.port.get(), 8085);
    assert_eq!(check.asked.path.into_string(), "/healthz");
    assert_eq!(check.timeout, Duration::from_millis(2400));
}

#[test]
fn wait_has_the_documented_defaults() {
    let Ok(Command::Wait(wait)) = parsed("wait") else { panic!("not a wait") };
    assert_eq!(wait.asked.verify, Verify::Both);
    assert_eq!(wait.install, None);
    let patience =
        Patience { interval: Duration::from_secs(2), attempt: Duration::from_secs(3), limit: None };
    assert_eq!(wait.patience, patience);
}

#[test]
fn flags_take_their_values_attached_or_next() {
    let attached = parsed("check --verify=interception --port=80 --path=/a?b=c --timeout=3").unwrap();
    let next = parsed("check --verify interception --port 80 --path /a?b=c --timeout 3s").unwrap();
    assert_eq!(attached, next);
    let Command::Check(check) = attached else { panic!("not a check") };
    assert_eq!(check.asked.verify, Verify::Interception);
    assert_eq!(check.asked.port.get(), 80);
    assert_eq!(check.asked.path.into_string(), "/a?b=c");
    assert_eq!(check.timeout, Duration::from_secs(3));
}

#[test]
fn every_flag_of_wait_is_read() {
    let line =
        "wait --install=/nmi-guard --interval=500ms --attempt-timeout=1s --timeout=300 --verify=healthz";
    let Ok(Command::Wait(wait)) = parsed(line) else { panic!("not a wait") };
    assert_eq!(wait.asked.verify, Verify::Healthz);
    assert_eq!(wait.install, Some(PathBuf::from("/nmi-guard")));
    let patience = Patience {
        interval: Duration::from_millis(500),
        attempt: Duration::from_secs(1),
        limit: Some(Duration::from_secs(300)),
    };
    assert_eq!(wait.patience, patience);
}

#[test]
fn verify_takes_either_or_both_in_any_order() {
    for (text, verify) in [
        ("healthz", Some(Verify::Healthz)),
        ("interception", Some(Verify::Interception)),
        ("healthz,interception", Some(Verify::Both)),
        ("interception,healthz", Some(Verify::Both)),
        ("healthz,healthz", Some(Verify::Healthz)),
        ("interception,healthz,healthz", Some(Verify::Both)),
        ("", None),
        ("healthz,", None),
        (",", None),
        ("both", None),
        ("healthz,nothing,interception", None),
    ] {
        assert_eq!(Verify::parse(text), verify, "{text:?}");
    }
}

#[test]
fn a_path_cannot_smuggle_anything_into_the_request() {
    for path in ["", "healthz", "http://host/", "/a b", "/a\r\nHost: b", "/a#b", "/\u{e9}", "/a\0"] {
        assert_eq!(HealthPath::parse(path), None, "{path:?}");
    }
}

#[test]
fn a_port_is_a_whole_number_from_1_to_65535() {
    for port in ["", "0", "65536", "-1", "+1", "http", "80.0"] {
        assert_eq!(parse_port(port), None, "{port:?}");
    }
    assert_eq!(parse_port("1"), NonZeroU16::new(1));
    assert_eq!(parse_port("65535"), NonZeroU16::new(65535));
}

#[test]
fn misuse_names_the_flag_the_value_and_what_is_allowed() {
    assert_eq!(said(""), "no command given; there are check, wait and install");
    assert_eq!(said("chekc"), r#"unknown command "chekc"; there are check, wait and install"#);
    assert_eq!(
        said("check --prot=1"),
        r#"unknown flag "--prot"; check has --verify, --port, --path, --timeout"#
    );
    assert_eq!(said("check --port=0"), r#"--port is "0"; allowed is a port from 1 to 65535"#);
    assert_eq!(
        said("wait --verify=token"),
        r#"--verify is "token"; allowed is healthz, interception or healthz,interception"#
    );
    assert_eq!(
        said("wait --interval 1m"),
        r#"--interval is "1m"; allowed is a duration from 1ms to 30 days, such as 2400ms, 3s or 3 (seconds)"#
    );
    assert_eq!(said("check --port"), "--port needs a value");
    assert_eq!(said("check --port --path=/x"), "--port needs a value");
    assert_eq!(said("check --port=1 --port=2"), "--port is given twice");
    assert_eq!(said("check now"), r#"unexpected argument "now" of check"#);
    assert_eq!(said("check --install=/x").split(';').next(), Some(r#"unknown flag "--install""#));
    assert_eq!(said("install"), "install needs one directory");
    assert_eq!(said("install /a /b"), "install needs one directory");
    assert_eq!(said("install --force"), r#"unexpected argument "--force" of install"#);
}

#[test]
fn help_and_version_are_understood() {
    for line in ["--help", "-h", "check --help", "wait --port=1 -h", "install --help"] {
        assert_eq!(parsed(line), Ok(Command::Help), "{line}");
    }
    assert_eq!(parsed("--version"), Ok(Command::Version));
    assert_eq!(parsed("-V"), Ok(Command::Version));
}

#[test]
fn help_names_every_flag() {
    let misuse = parsed("wait --no-such-flag").unwrap_err();
    let Misuse::UnknownFlag { known, .. } = misuse else { panic!("{misuse:?}") };
    for flag in known {
        assert!(HELP.contains(&format!("{flag}=")), "{flag}");
    }
}
