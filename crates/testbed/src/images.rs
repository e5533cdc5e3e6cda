//! The images that the node can run: no registry is asked.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// The test program (`crates/testapp`) and nothing else. Pods' sandboxes are made from it, too.
pub const APP: &str = "docker.io/library/nmi-guard-testapp:test";

/// The same program with `sh` and a shell's programs beside it, and as `wget`, as `curl` and, a stand-in, as `az`.
pub const DOCUMENTED: &str = "docker.io/library/nmi-guard-documented:test";

/// The project's `examples/health`: an application that checks NMI in its own health endpoint.
pub const HEALTH: &str = "docker.io/library/nmi-guard-health:test";

/// The variable that names the folder which `scripts/node-images.sh` has filled.
const FOLDER: &str = "NMI_GUARD_NODE_IMAGES";

/// The tar files of all images.
///
/// # Errors
/// When they have not been built.
pub fn tars() -> Result<Vec<PathBuf>> {
    let folder = std::env::var_os(FOLDER).unwrap_or_default();
    let tars = ["testapp.tar", "documented.tar", "health.tar", "nmi-guard.tar"];
    let tars = tars.map(|name| Path::new(&folder).join(name));
    for tar in &tars {
        ensure!(
            tar.is_file(),
            "{} is missing: {FOLDER} names the folder of images, see `make node-test`",
            tar.display()
        );
    }
    Ok(tars.into())
}
