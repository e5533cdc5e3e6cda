//! The real NMI, beside the node.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nmi_guard_testkit::process::Process;
use rustix::process::{Pid, Signal, kill_process};

use crate::NODE_NAME;
use crate::command::run;
use crate::node::Node;

/// The port of its healthz, as all its manifests set it.
pub const HEALTH_PORT: u16 = 8085;
/// The chain of the nat table that redirects Pods' requests to NMI.
pub const CHAIN: &str = "aad-metadata";

/// How NMI knows which identity a Pod is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the AzureAssignedIdentities that MIC makes.
    Standard,
    /// From the AzureIdentityBindings themselves, as AKS runs it.
    Managed,
}

/// The programs that `tests/nmi/build.sh` makes.
#[derive(Clone, Debug)]
pub struct Build {
    folder: PathBuf,
}

impl Build {
    /// Builds NMI, on first use.
    ///
    /// # Errors
    /// When the build fails.
    pub fn get() -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/nmi/build.sh");
        let output = Command::new("bash").arg(&script).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            bail!("tests/nmi/build.sh failed with {}", output.status);
        }
        Ok(Self { folder: PathBuf::from(String::from_utf8(output.stdout)?.trim()) })
    }

    /// Installs NMI's CustomResourceDefinitions.
    ///
    /// # Errors
    /// When the API server refuses them.
    pub fn install_resources(&self, node: &Node) -> Result<()> {
        let folder = self.folder.join("crds");
        let folder = folder.to_str().context("a path that is not UTF-8")?;
        node.api.kubectl_text(["apply", "-f", folder])?;
        node.api.kubectl_text(["wait", "--for=condition=Established", "--timeout=60s", "-f", folder])?;
        Ok(())
    }

    /// Starts NMI, which is on its way to `Active` then.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, node: &Node, mode: Mode) -> Result<Nmi> {
        let mut command = Command::new(self.folder.join("nmi"));
        command
            .arg(format!("--node={NODE_NAME}"))
            .arg(format!("--http-probe-port={HEALTH_PORT}"))
            .arg("--allow-network-plugin-kubenet")
            .env("KUBECONFIG", node.api.kubeconfig());
        if mode == Mode::Managed {
            command.args(["--operation-mode=managed", "--forceNamespaced"]);
        }
        Ok(Nmi { process: Process::start(command, &node.folder().join("nmi.log"))? })
    }
}

/// A running NMI. Dropping it kills it; its iptables rules stay then.
pub struct Nmi {
    process: Process,
}

impl Nmi {
    /// Asks it to end, as a DaemonSet's rolling update does. Its rules are gone a moment later, and it ends after
    /// ten seconds, saying `Active` all the while.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn ask_to_end(&self) -> Result<()> {
        let id = i32::try_from(self.process.id())?;
        let id = Pid::from_raw(id).context("no process id")?;
        Ok(kill_process(id, Signal::TERM)?)
    }

    /// Waits for its end after [`Nmi::ask_to_end`], or asks for it.
    ///
    /// # Errors
    /// When it runs for 30 s more.
    pub fn end(mut self) -> Result<()> {
        self.process.terminate(Duration::from_secs(30)).map(drop)
    }

    /// Kills it, as the kernel does when memory is short.
    pub fn kill(self) {
        drop(self);
    }

    /// What it has logged.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

/// Removes NMI's rule, as a program that manages iptables for itself does. NMI puts it back within a minute.
///
/// # Errors
/// When there is no such chain.
pub fn flush_rule() -> Result<()> {
    run(&format!("iptables --wait --table nat --flush {CHAIN}")).map(drop)
}

/// Whether NMI's rule is there.
///
/// # Errors
/// When iptables fails.
pub fn has_rule() -> Result<bool> {
    let rules = run("iptables-save -t nat")?;
    Ok(rules.lines().any(|rule| rule.starts_with(&format!("-A {CHAIN} ")) && rule.contains("DNAT")))
}
