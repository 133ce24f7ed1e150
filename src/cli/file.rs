//! A file that is written whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Failure;

/// Writes the file that an option names: beside it first, and when all of it is there, in its place. A device or
/// a pipe is written to as it is.
pub(super) fn write_for(option: &str, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write(path, bytes).map_err(|error| failure(option, path, &error))
}

fn failure(option: &str, path: &Path, error: &io::Error) -> Failure {
    let path = super::one_line(&path.to_string_lossy());
    Failure { line: format!("error: {option} {path}: {error}"), status: 2 }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => to_what_is_there(path, bytes),
        // What a symbolic link leads to is what is meant.
        _ => in_its_place(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()), bytes),
    }
}

/// Whether a file that an option names can be written, so that this is known before there is anything to write.
pub(super) fn may_write(option: &str, path: &Path) -> Result<(), Failure> {
    let tried = match fs::metadata(path) {
        // What open() says.
        Ok(there) if there.is_dir() => to_what_is_there(path, &[]),
        // Opening a pipe waits for its reader.
        Ok(there) if !there.is_file() => Ok(()),
        Ok(_) => fs::OpenOptions::new().write(true).open(path).and_then(|_| beside(path)),
        Err(_) => beside(path),
    };
    tried.map_err(|error| failure(option, path, &error))
}

fn beside(path: &Path) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    Beside::new(&path).map(drop)
}

/// Whether two paths lead to one file, or would. A device or a pipe takes both.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    if fs::metadata(one).is_ok_and(|there| !there.is_file()) {
        return false;
    }
    let place = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = fs::canonicalize(parent.unwrap_or(Path::new("."))).ok();
        let there = fs::canonicalize(path).ok();
        there.or_else(|| Some(folder?.join(path.file_name()?)))
    };
    one == other || place(one).is_some_and(|place_of_one| Some(place_of_one) == place(other))
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
