//! Values that would do something if a shell read them. The types of the settings refuse nearly all of them; the
//! scripts must not depend on that.

use crate::fake::{FakeServer, answer};
use crate::injected::{Injected, SHELLS, guard};

/// What stands for a file that must never be there.
const MARK: &str = "MARK";

const VALUES: [&str; 12] = [
    "$(touch MARK)",
    "`touch MARK`",
    "; touch MARK;",
    "' ; touch MARK; '",
    "\" ; touch MARK; \"",
    "\ntouch MARK\n",
    "a b\tc",
    "&& touch MARK",
    "| touch MARK",
    "${HOST_IP:=$(touch MARK)}",
    "--output=MARK",
    "*",
];

/// Runs the command that `make` makes of each value, with the `HOST_IP` beside it, and sees that it fails and
/// leaves nothing.
fn fails_and_leaves_nothing(make: impl Fn(&str) -> (Injected, String)) {
    for value in VALUES {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let (command, host) = make(&value.replace(MARK, mark.to_str().unwrap()));
        for shell in SHELLS {
            let ended = command.run(shell, &[("HOST_IP", &host)]);
            assert_ne!(ended.code, Some(0), "{shell:?} {value:?}: {ended:?}");
            assert!(!mark.exists(), "{shell:?} {value:?}");
        }
    }
}

#[test]
fn an_address_of_the_node_does_nothing() {
    for method in ["wget", "curl"] {
        let command = guard(&[("method", method), ("verify", "healthz")]).readiness.unwrap();
        fails_and_leaves_nothing(|value| (command.clone(), value.to_owned()));
        fails_and_leaves_nothing(|value| (command.clone(), format!("::1{value}")));
    }
}

#[test]
fn a_port_and_a_path_do_nothing() {
    let server = FakeServer::saying(answer(404, "text/plain", "Active"));
    let port = server.address.port().to_string();
    let here = || "127.0.0.1".to_owned();
    for method in ["wget", "curl"] {
        let annotations = [("method", method), ("verify", "healthz"), ("nmi-port", &port)];
        let command = guard(&annotations).readiness.unwrap();
        fails_and_leaves_nothing(|value| (command.clone().with("/healthz", value), here()));
        fails_and_leaves_nothing(|value| (command.clone().with("/healthz", &format!("/{value}")), here()));
        fails_and_leaves_nothing(|value| (command.clone().with(&port, value), here()));
    }
}

#[test]
fn a_resource_and_a_metadata_address_do_nothing() {
    let server = FakeServer::saying(answer(404, "text/plain", ""));
    for method in ["wget", "curl"] {
        let annotations = [("strategy", "token"), ("checks", "readiness"), ("method", method)];
        let command = guard(&annotations).readiness.unwrap();
        fails_and_leaves_nothing(|value| {
            let command = command.clone().with_metadata(server.address);
            (command.with("https://management.azure.com/", value), String::new())
        });
        fails_and_leaves_nothing(|value| (command.clone().with_metadata(value), String::new()));
    }
}

#[test]
fn what_they_wait_with_does_nothing() {
    let command = guard(&[("method", "curl"), ("init-interval", "7"), ("init-timeout", "1")]).init;
    fails_and_leaves_nothing(|value| (command.clone().with("7", value), "127.0.0.1".to_owned()));
}
