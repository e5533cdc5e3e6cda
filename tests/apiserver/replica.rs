//! One running `nmi-guard serve`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nmi_guard_testkit::process::{Process, free_port};
use nmi_guard_testkit::wait::eventually_while;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a replica may take to be ready, and how long to stop.
const LIMIT: Duration = Duration::from_secs(60);

/// A replica of nmi-guard, run as a process of the test's.
pub struct Replica {
    pub process: Process,
    /// Where it serves reviews.
    pub webhook: SocketAddr,
    admin: SocketAddr,
}

impl Replica {
    /// Starts a replica with the built-in issuer and waits until it is ready.
    pub async fn start(kubeconfig: &Path, log: &Path, arguments: &[&str]) -> Result<Self> {
        let webhook = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut command = Command::new(env!("CARGO_BIN_EXE_nmi-guard"));
        command
            .arg("serve")
            .arg(format!("--listen={webhook}"))
            .arg(format!("--admin-listen={admin}"))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            // The API server calls the webhook by this address, not by the name of its Service.
            .arg("--dns-name=127.0.0.1")
            .arg(concat!("--config=", env!("CARGO_MANIFEST_DIR"), "/manifests/base/config.yaml"))
            .args(["--namespace=nmi-guard", "--log-format=text"])
            // The goldens are those of a cluster of an unknown version.
            .args(["--kubernetes-version=unknown"])
            .args(arguments);
        let mut replica = Self { process: Process::start(command, log)?, webhook, admin };
        replica.until_ready().await?;
        Ok(replica)
    }

    /// Waits until `/readyz` answers 200.
    pub async fn until_ready(&mut self) -> Result<()> {
        let (process, admin) = (&mut self.process, self.admin);
        let ready = eventually_while(
            "nmi-guard is ready",
            LIMIT,
            || process.check_running(),
            async || match get(admin, "/readyz?verbose").await? {
                (200, _) => Ok(()),
                (status, body) => bail!("/readyz answers {status}: {body}"),
            },
        );
        ready.await.with_context(|| format!("the end of its log:\n{}", self.process.log_tail()))
    }

    /// GETs `path` from the admin port: the status and the body.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        get(self.admin, path).await
    }

    /// Stops it as the kubelet does: SIGTERM, and then waits for its end.
    pub fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(LIMIT)?;
        if !status.success() {
            bail!("nmi-guard ended with {status}; its log:\n{}", self.process.log_tail());
        }
        Ok(())
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
    let status = head.split(' ').nth(1).context("no status")?;
    Ok((status.parse()?, body.to_owned()))
}
