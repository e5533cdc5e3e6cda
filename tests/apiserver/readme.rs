//! The README's `kubectl` commands, run as they stand there and in their order: from the installation to its
//! removal. They have an API server of their own, whose nodes are missing, so that no Pod ever runs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nmi_guard_testkit::apiserver::ApiServer;
use nmi_guard_testkit::readme::shell_blocks;

use crate::cluster::Cluster;

pub async fn kubectl_commands_succeed(_: &mut Cluster) -> Result<()> {
    let mut api = ApiServer::start().await?;
    api.start_controller_manager().await?;
    let kubectl = api.kubectl();
    let programs = Path::new(kubectl.get_program()).parent().context("kubectl lies in a folder")?;
    let environment = [("KUBECONFIG", api.kubeconfig().into()), ("HOME", api.folder().into())];

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md"))?;
    let mut was_installed = false;
    for block in shell_blocks(&readme) {
        if block.program()? == "kubectl" {
            block.run(root, programs, &environment)?;
            was_installed |= is_installed(&api)?;
        }
    }
    ensure!(was_installed, "none of the README's commands installs the webhook");
    ensure!(!is_installed(&api)?, "the README's last command leaves the webhook behind");
    api.kubectl_text(["get", "-n", "team-a", "-f", "examples/deployment.yaml"])?;
    Ok(())
}

fn is_installed(api: &ApiServer) -> Result<bool> {
    let found = api.kubectl_text(["get", "mutatingwebhookconfigurations", "--output=name"])?;
    Ok(found.lines().any(|line| line.ends_with("/nmi-guard")))
}
