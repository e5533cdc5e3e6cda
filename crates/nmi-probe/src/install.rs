//! Puts this very binary where a Pod's other containers can run it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The name of the installed file.
pub const NAME: &str = "nmi-probe";

/// The name it is written under before it is complete. Fixed, so that an attempt that was interrupted
/// leaves nothing behind that the next one does not replace.
const UNFINISHED: &str = ".nmi-probe.new";

const MODE: u32 = 0o755;

/// Copies the running executable to `directory/nmi-probe`, mode 0755 whatever the umask. Atomic: at every
/// moment the name stands for no file or for a complete one, so it may be done again, as an init container
/// that restarts does, while an older copy is running.
///
/// # Errors
/// What the file system says: the directory is missing, is not writable, is full.
pub fn install(directory: &Path) -> io::Result<()> {
    let unfinished = directory.join(UNFINISHED);
    let done = copy_self(&unfinished).and_then(|()| fs::rename(&unfinished, directory.join(NAME)));
    if done.is_err() {
        // The error at hand says more than one about the leftovers would.
        let _ = fs::remove_file(&unfinished);
    }
    done
}

/// The copy is closed on return: a file open for writing cannot be executed (ETXTBSY).
fn copy_self(to: &Path) -> io::Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Not std::env::current_exe, whose path may by now name another file.
    let mut source = File::open("/proc/self/exe")?;
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(MODE).open(to)?;
    io::copy(&mut source, &mut copy)?;
    copy.set_permissions(Permissions::from_mode(MODE))
}
