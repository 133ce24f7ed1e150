//! A file that is written whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Failure;

/// Writes a file: beside it first, and when all of it is there, in its place. A device or a pipe is written to
/// as it is.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = match fs::metadata(path) {
        Ok(there) if !there.is_file() => to_what_is_there(path, bytes),
        // What a symbolic link leads to is what is meant.
        _ => in_its_place(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()), bytes),
    };
    written.map_err(|error| Failure {
        line: format!("error: {}: {error}", super::one_line(&path.to_string_lossy())),
        status: 2,
    })
}

fn to_what_is_there(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(bytes)
}

fn in_its_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (beside, mut file) = Beside::new(path)?;
    if let Ok(there) = fs::metadata(path) {
        // Whoever may not write the one that is there may not replace it either.
        drop(fs::OpenOptions::new().write(true).open(path)?);
        file.set_permissions(there.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside.0, path)
}

/// The name of a file that is gone in the end, unless it has got another.
struct Beside(PathBuf);

impl Beside {
    fn new(path: &Path) -> io::Result<(Self, fs::File)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let path = path.with_file_name(hidden);
        let file = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok((Self(path), file))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It is gone already if it has got its name.
        let _ = fs::remove_file(&self.0);
    }
}
