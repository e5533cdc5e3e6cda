//! containerd with runc and the bridge network, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nmi_guard_testkit::process::Process;
use nmi_guard_testkit::wait::eventually_while;
use serde_json::json;

use crate::POD_SUBNET;
use crate::command::run_command;

const START_LIMIT: Duration = Duration::from_secs(60);
/// Where distributions put the programs of CNI.
const CNI_FOLDERS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Snapshotters that are probed for, loudly, unless they are disabled.
const UNUSED: [&str; 4] = ["aufs", "btrfs", "zfs", "devmapper"];

/// A running containerd.
pub(crate) struct Runtime {
    _containerd: Process,
    pub(crate) socket: PathBuf,
}

impl Runtime {
    /// Starts it in `folder` and imports the image that every Pod's sandbox is made from.
    pub(crate) async fn start(folder: &Path, log: &Path, sandbox_image: &str) -> Result<Self> {
        let socket = folder.join("containerd.sock");
        let config = folder.join("containerd.toml");
        std::fs::write(&config, configuration(folder, &socket, sandbox_image)?)?;
        write_network(&folder.join("cni"))?;
        let mut command = Command::new("containerd");
        command.arg("--config").arg(&config);
        let mut containerd = Process::start(command, log)?;
        eventually_while(
            "containerd answers",
            START_LIMIT,
            || containerd.check_running(),
            async || run_command(ctr(&socket).arg("version")),
        )
        .await?;
        Ok(Self { _containerd: containerd, socket })
    }

    /// Imports all images of a tar file.
    pub(crate) fn import(&self, tar: &Path) -> Result<()> {
        run_command(ctr(&self.socket).args(["images", "import"]).arg(tar)).map(drop)
    }
}

fn ctr(socket: &Path) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(socket).args(["--namespace", "k8s.io"]);
    command
}

fn configuration(folder: &Path, socket: &Path, sandbox_image: &str) -> Result<String> {
    let Some(cni) = CNI_FOLDERS.into_iter().find(|folder| Path::new(folder).join("bridge").is_file()) else {
        bail!(
            "there is no CNI plugin `bridge` in any of {CNI_FOLDERS:?}: install containernetworking-plugins"
        );
    };
    let folder = folder.to_str().context("a folder that is not UTF-8")?;
    Ok(format!(
        r#"version = 2
root = "{folder}/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [{disabled}]
[grpc]
address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
disable_tcp_service = true
# Where the capability to lower a process's OOM score is missing, no container would start.
restrict_oom_score_adj = true
sandbox_image = "{sandbox_image}"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni}"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "runc"
SystemdCgroup = false
"#,
        socket = socket.display(),
        disabled =
            UNUSED.map(|name| format!("{:?}", format!("io.containerd.snapshotter.v1.{name}"))).join(", "),
    ))
}

fn write_network(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder)?;
    let network = json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": true,
            "isDefaultGateway": true,
            "ipMasq": false,
            "hairpinMode": true,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_SUBNET}]], "dataDir": "/run/cni"},
        }],
    });
    std::fs::write(folder.join("10-pods.conflist"), network.to_string())?;
    Ok(())
}
