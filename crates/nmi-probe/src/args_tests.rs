#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::asked::Verify;
use crate::flags::parse_port;
use crate::help::HELP;
use crate::target::Header;
use std::num::NonZeroU16;

fn parsed(line: &str) -> Result<Command, Misuse> {
    parse(line.split_whitespace().map(OsString::from))
}

fn nmi(asked: Asked) -> (Verify, u16, String) {
    let Asked::Nmi { verify, port, path } = asked else { panic!("{asked:?} is not about NMI") };
    (verify, port.get(), path.into_string())
}

fn said(line: &str) -> String {
    parsed(line).unwrap_err().to_string()
}

#[test]
fn check_has_the_documented_defaults() {
    let Ok(Command::Check(check)) = parsed("check") else { panic!("not a check") };
    assert_eq!(nmi(check.asked), (Verify::Both, 8085, "/healthz".to_owned()));
    assert_eq!(check.timeout, Duration::from_millis(2400));
    assert_eq!(check.then, Then::Nothing);
}

#[test]
fn wait_has_the_documented_defaults() {
    let Ok(Command::Wait(wait)) = parsed("wait") else { panic!("not a wait") };
    assert_eq!(nmi(wait.asked).0, Verify::Both);
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
    assert_eq!(nmi(check.asked), (Verify::Interception, 80, "/a?b=c".to_owned()));
    assert_eq!(check.timeout, Duration::from_secs(3));
}

#[test]
fn every_flag_of_wait_is_read() {
    let line =
        "wait --install=/nmi-guard --interval=500ms --attempt-timeout=1s --timeout=300 --verify=healthz";
    let Ok(Command::Wait(wait)) = parsed(line) else { panic!("not a wait") };
    assert_eq!(nmi(wait.asked).0, Verify::Healthz);
    assert_eq!(wait.install, Some(PathBuf::from("/nmi-guard")));
    let patience = Patience {
        interval: Duration::from_millis(500),
        attempt: Duration::from_secs(1),
        limit: Some(Duration::from_secs(300)),
    };
    assert_eq!(wait.patience, patience);
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
    assert_eq!(said(""), "no command given; there are check, wait, serve and install");
    assert_eq!(said("chekc"), r#"unknown command "chekc"; there are check, wait, serve and install"#);
    assert_eq!(
        said("check --prot=1"),
        r#"unknown flag "--prot"; check has --ask, --verify, --port, --path, --resource, --expect-identity, --timeout, --then, --header"#
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
    for line in ["--help", "-h", "check --help", "wait --port=1 -h", "serve -h", "install --help"] {
        assert_eq!(parsed(line), Ok(Command::Help), "{line}");
    }
    assert_eq!(parsed("--version"), Ok(Command::Version));
    assert_eq!(parsed("-V"), Ok(Command::Version));
}

#[test]
fn help_names_every_flag() {
    for command in ["check", "wait", "serve"] {
        let misuse = parsed(&format!("{command} --no-such-flag")).unwrap_err();
        let Misuse::UnknownFlag { known, .. } = misuse else { panic!("{misuse:?}") };
        for flag in known {
            assert!(HELP.contains(&format!("{flag}=")), "{flag}");
        }
    }
}

const GUID: &str = "0a1b2c3d-0000-1111-2222-0123456789ab";

#[test]
fn a_token_is_asked_for_by_name() {
    let Ok(Command::Check(check)) = parsed("check --ask=token") else { panic!("not a check") };
    let resource = "https://management.azure.com/".to_owned();
    assert_eq!(check.asked, Asked::Token { resource, expected: None });
    let line = format!("wait --ask=token --resource=api://a --expect-identity={GUID}");
    let Ok(Command::Wait(wait)) = parsed(&line) else { panic!("not a wait") };
    let expected = crate::identity::Identity::parse(GUID);
    assert_eq!(wait.asked, Asked::Token { resource: "api://a".to_owned(), expected });
    assert_eq!(wait.patience.attempt, Duration::from_secs(30));
    assert_eq!(parsed("check --ask=nmi"), parsed("check"));
}

#[test]
fn flags_of_the_other_question_are_misuse() {
    assert_eq!(said("check --verify=healthz --ask=token"), "--verify needs --ask=nmi");
    assert_eq!(said("wait --ask=token --path=/"), "--path needs --ask=nmi");
    assert_eq!(said("serve --resource=a"), "--resource needs --ask=token");
    assert_eq!(said("check --ask=nmi --expect-identity=x"), "--expect-identity needs --ask=token");
    assert_eq!(said("check --ask=both"), r#"--ask is "both"; allowed is nmi or token"#);
    let allowed = "a client id or object id (a GUID), or a resource id that begins with /subscriptions/";
    assert_eq!(
        said("check --ask=token --expect-identity=me"),
        format!(r#"--expect-identity is "me"; allowed is {allowed}"#)
    );
    assert_eq!(
        said("check --ask=token --resource="),
        r#"--resource is ""; allowed is a URL or an id of visible ASCII"#
    );
}

#[test]
fn check_takes_a_command_or_a_target() {
    let Ok(Command::Check(check)) = parsed("check --port=1 -- cat --help -- -h") else {
        panic!("not a check")
    };
    let args = ["--help", "--", "-h"].map(OsString::from).to_vec();
    assert_eq!(check.then, Then::Become { program: "cat".into(), args });
    let line = "check --then=http://:80/ --header=A:b --header=A:c";
    let Ok(Command::Check(check)) = parsed(line) else { panic!("not a check") };
    let mut target = Target::parse("http://:80/").unwrap();
    for header in ["A:b", "A:c"] {
        assert!(target.add_header(Header::parse(header).unwrap()));
    }
    assert_eq!(check.then, Then::Ask(target));
}

#[test]
fn wrapping_wrongly_is_misuse() {
    assert_eq!(said("check --"), "-- needs a command after it");
    assert_eq!(said("check --then=tcp://:1 -- true"), "--then and a command after -- exclude each other");
    assert_eq!(said("wait -- true"), r#""wait" takes no command after --; only check does"#);
    assert_eq!(said("check --header=A:b"), "--header needs --then=http://...");
    let wants = "--header needs a target that begins with http://";
    assert_eq!(said("check --then=tcp://:1 --header=A:b"), wants);
    assert_eq!(said("serve --probe=a/readiness=grpc://:1/ --header=A:b"), wants);
    assert!(
        said("check --then=https://:443/").starts_with(r#"--then is "https://:443/"; allowed is http://"#)
    );
    assert!(
        said("check --then=http://:80/ --header=A").starts_with(r#"--header is "A"; allowed is NAME:VALUE"#)
    );
}

#[test]
fn serve_has_the_documented_defaults() {
    let serve = |line| match parsed(line) {
        Ok(Command::Serve(serve)) => serve,
        other => panic!("{other:?}"),
    };
    let default = serve("serve");
    assert_eq!((default.port, default.probes.len()), (18085, 0));
    assert_eq!(
        (default.interval, default.attempt),
        (Duration::from_millis(500), Duration::from_millis(1500))
    );
    let token = serve("serve --ask=token");
    assert_eq!((token.interval, token.attempt), (Duration::from_secs(5), Duration::from_secs(10)));
    let given = serve("serve --listen-port=0 --interval=1s --attempt-timeout=2s");
    assert_eq!(
        (given.port, given.interval, given.attempt),
        (0, Duration::from_secs(1), Duration::from_secs(2))
    );
}

#[test]
fn headers_and_timeouts_belong_to_the_probe_before_them() {
    let line = "serve --probe=a/readiness=http://:80/ --header=A:b --probe-timeout=3s --probe=a/liveness=tcp://:1 \
                --probe=b-1/liveness=http://:81/?a=b --header=A:c";
    let Ok(Command::Serve(serve)) = parsed(line) else { panic!("not a serve") };
    let [first, second, third] = serve.probes.try_into().unwrap();
    assert_eq!((first.name.as_str(), first.timeout), ("a/readiness", Duration::from_secs(3)));
    assert_eq!((second.name.as_str(), second.timeout), ("a/liveness", Duration::from_secs(1)));
    assert_eq!(third.name, "b-1/liveness");
    assert!(!first.is_liveness() && second.is_liveness() && third.is_liveness());
    for (probe, value) in [(first, "b"), (third, "c")] {
        let crate::target::Kind::Http { headers, .. } = probe.target.kind else { panic!("not HTTP") };
        assert_eq!(headers, [Header { name: "A".to_owned(), value: value.to_owned() }]);
    }
}

#[test]
fn wrong_probes_of_serve_are_misuse() {
    assert_eq!(said("serve --header=A:b"), "--header needs a --probe before it");
    assert_eq!(
        said("serve --probe-timeout=1s --probe=a/liveness=tcp://:1"),
        "--probe-timeout needs a --probe before it"
    );
    let twice = "serve --probe=a/liveness=tcp://:1 --probe=a/liveness=tcp://:2";
    assert_eq!(said(twice), r#"--probe "a/liveness" is given twice"#);
    for probe in [
        "",
        "a",
        "a/liveness",
        "a/startup=tcp://:1",
        "/liveness=tcp://:1",
        "A/liveness=tcp://:1",
        "a/b/liveness=tcp://:1",
        "a/liveness=tcp://x:1",
    ] {
        assert!(
            said(&format!("serve --probe={probe}"))
                .starts_with(&format!("--probe is {probe:?}; allowed is CONTAINER/")),
            "{probe}"
        );
    }
    assert_eq!(
        said("serve --listen-port=65536"),
        r#"--listen-port is "65536"; allowed is a port from 0 to 65535"#
    );
}
