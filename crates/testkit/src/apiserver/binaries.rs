//! Where the programs of Kubernetes come from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The path of the program `name`, for example `kube-apiserver`: in the folder `KUBEBUILDER_ASSETS` (the
/// convention of envtest) where that is set and has it, else what `tests/kubernetes/build.sh` has built
/// or builds now.
///
/// # Errors
/// When the build fails.
pub fn program(name: &str) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS") {
        let path = Path::new(&folder).join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    Ok(build()?.join(name))
}

fn build() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/kubernetes/build.sh");
    let output = Command::new("bash")
        .arg(&script)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", script.display()))?;
    if !output.status.success() {
        bail!("tests/kubernetes/build.sh failed with {}", output.status);
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}
