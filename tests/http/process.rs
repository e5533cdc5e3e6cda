//! The `nmi-guard` binary as a process of its own.

use std::process::Stdio;

use nmi_guard_testkit::https::{Ca, ClientTls, Connection, Identity, PATIENCE};
use nmi_guard_testkit::review::Review;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// `nmi-guard serve` with JSON logs, certificates in a folder, and ports of the system's choice.
pub struct Process {
    pub child: Child,
    log: Lines<BufReader<ChildStderr>>,
    pub tls: ClientTls,
    pub address: std::net::SocketAddr,
    pub admin: std::net::SocketAddr,
    _dir: TempDir,
}

/// `nmi-guard serve`, to be given more arguments.
pub fn serve() -> Command {
    with_arguments(Command::new(env!("CARGO_BIN_EXE_nmi-guard")))
}

/// As [`serve`], with at most `files` open files and connections.
pub fn serve_with_open_files(files: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"]);
    command.arg(env!("CARGO_BIN_EXE_nmi-guard"));
    with_arguments(command)
}

fn with_arguments(mut command: Command) -> Command {
    command.arg("serve").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.args(["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--log-format=json"]);
    command
}

/// A folder with certificates as a Secret is mounted.
pub fn folder(ca: &Ca, identity: &Identity) -> TempDir {
    let dir = TempDir::new().unwrap();
    let files = [("tls.crt", &*identity.certificate), ("tls.key", &*identity.key), ("ca.crt", ca.pem())];
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

impl Process {
    pub async fn start(arguments: &[&str]) -> Self {
        let mut command = serve();
        command.args(arguments);
        Self::spawn(command).await
    }

    pub async fn spawn(mut command: Command) -> Self {
        let ca = Ca::new("process CA").unwrap();
        let dir = folder(&ca, &ca.issue().unwrap());
        let mut child = command.arg("--tls-dir").arg(dir.path()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let (unknown, tls) = ("127.0.0.1:0".parse().unwrap(), ClientTls::trusting(ca.pem()));
        let mut process = Self { child, log, tls, address: unknown, admin: unknown, _dir: dir };
        let listening = process.event("listening").await;
        process.address = listening["address"].as_str().unwrap().parse().unwrap();
        process.admin = listening["admin_address"].as_str().unwrap().parse().unwrap();
        process.wait_until_ready().await;
        process
    }

    pub async fn wait_until_ready(&self) {
        crate::running::eventually("the process is ready", || async {
            Connection::plain(self.admin).await.unwrap().get("/readyz").await.unwrap().status == 200
        })
        .await;
    }

    /// The next event of the log with this message.
    pub async fn event(&mut self, message: &str) -> Value {
        timeout(PATIENCE, async {
            loop {
                let line = self.log.next_line().await.unwrap().expect("the log goes on");
                let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
                if event["message"] == message {
                    return event;
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no event {message:?}"))
    }

    pub async fn review(&self, review: &Review) -> Value {
        let reply = self.tls.connect(self.address).await.unwrap().review(review.bytes()).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        serde_json::from_slice(&reply.body).unwrap()
    }

    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().await.unwrap().success());
    }

    pub async fn exit_code(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code()
    }
}
