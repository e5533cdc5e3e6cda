//! The init container's waiting.

use std::io::Read;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fake::{FakeServer, healthz};
use crate::injected::{Ended, Injected, SHELLS, ended, guard};

fn wait_for(method: &str, server: &FakeServer, more: &[(&str, &str)]) -> Injected {
    let port = server.address.port().to_string();
    let mut annotations = vec![("method", method), ("verify", "healthz"), ("nmi-port", &port)];
    annotations.extend(more);
    guard(&annotations).init
}

const HERE: [(&str, &str); 1] = [("HOST_IP", "127.0.0.1")];

#[test]
fn it_ends_when_nmi_becomes_active_and_says_each_state_once() {
    for method in ["wget", "curl"] {
        for shell in SHELLS {
            let server = FakeServer::saying(healthz("Not Active"));
            let child = wait_for(method, &server, &[("init-interval", "1")]).start(shell, &HERE);
            server.await_total(2);
            server.now_say(healthz("Active"));
            let Ended { code, output } = ended(child);
            let place = format!("waiting: NMI at http://{}/healthz is not Active\nguarded\n", server.address);
            assert_eq!((code, output.as_str()), (Some(0), place.as_str()), "{method} {shell:?}");
        }
    }
}

#[test]
fn it_gives_up_when_the_limit_has_passed() {
    let server = FakeServer::saying(healthz("Not Active"));
    for shell in SHELLS {
        let command = wait_for("curl", &server, &[("init-interval", "1"), ("init-timeout", "1")]);
        let Ended { code, output } = command.run(shell, &HERE);
        assert_eq!(code, Some(1), "{shell:?}: {output}");
        assert!(output.ends_with("\ngiven up after 1 s\n"), "{shell:?}: {output}");
    }
}

#[test]
fn a_signal_ends_it_at_once() {
    let server = FakeServer::saying(healthz("Not Active"));
    for shell in SHELLS {
        let mut child = wait_for("curl", &server, &[("init-interval", "25")]).start(shell, &HERE);
        let mut first = [0; 7];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        assert_eq!(&first, b"waiting");
        let begin = Instant::now();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        // Its sleep goes on by itself, longer than is waited here, and holds the outputs open.
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{shell:?} goes on");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.code(), Some(143), "{shell:?}");
    }
}
