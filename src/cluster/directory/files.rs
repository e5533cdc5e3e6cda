//! The files of a certificate folder, read and written.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::pki::{CA_CERTIFICATE, CA_KEY, Material, TLS_CERTIFICATE, TLS_KEY};

/// No chain or key comes near it; a wrong path may be anything.
const LARGEST: u64 = 1024 * 1024;

/// The contents of one folder at one moment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) authorities: Option<Vec<u8>>,
}

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system's reason.
    #[error("can't read {}: {reason}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// It is far larger than any certificate.
    #[error("{} has {size} bytes: more than {LARGEST} is no certificate", .path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
}

impl Files {
    /// Reads `tls.crt`, `tls.key` and, if it exists, `ca.crt` in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, ReadError> {
        // Under a mounted Secret `..data` links to the folder of one version: resolved once, all
        // three files are of the same version.
        let dir = fs::canonicalize(dir.join("..data")).unwrap_or_else(|_| dir.to_owned());
        let authorities = dir.join(CA_CERTIFICATE);
        Ok(Self {
            certificate: read(dir.join(TLS_CERTIFICATE))?,
            key: read(dir.join(TLS_KEY))?,
            authorities: if authorities.exists() { Some(read(authorities)?) } else { None },
        })
    }
}

fn read(path: PathBuf) -> Result<Vec<u8>, ReadError> {
    let bounded = || -> io::Result<Result<Vec<u8>, u64>> {
        let size = fs::metadata(&path)?.len();
        if size > LARGEST { Ok(Err(size)) } else { fs::read(&path).map(Ok) }
    };
    match bounded() {
        Ok(Ok(content)) => Ok(content),
        Ok(Err(size)) => Err(ReadError::TooLarge { path, size }),
        Err(reason) => Err(ReadError::Io { path, reason }),
    }
}

/// Why a set of certificates can't be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file is there already.
    #[error("{} exists already: choose another folder, or overwrite with --force", .0.display())]
    Exists(PathBuf),
    /// The system's reason.
    #[error("can't write {}: {reason}", .path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

/// Writes `tls.crt`, `tls.key`, `ca.crt` and `ca.key` into `dir`, which is made if it is missing.
/// Keys are readable by their owner only. Each file is replaced as a whole, so that a server that
/// reads the folder never sees half of one.
///
/// # Errors
/// [`WriteError::Exists`] when a file is there and `overwrite` is false: nothing is written then.
pub fn write_set(dir: &Path, material: &Material, overwrite: bool) -> Result<(), WriteError> {
    fs::create_dir_all(dir).map_err(|reason| WriteError::Io { path: dir.to_owned(), reason })?;
    if !overwrite {
        for (name, _) in material.entries() {
            let path = dir.join(name);
            if path.symlink_metadata().is_ok() {
                return Err(WriteError::Exists(path));
            }
        }
    }
    for (name, content) in material.entries() {
        let mode = if [TLS_KEY, CA_KEY].contains(&name) { 0o600 } else { 0o644 };
        let path = dir.join(name);
        write(&path, content, mode).map_err(|reason| WriteError::Io { path, reason })?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
    })
}
