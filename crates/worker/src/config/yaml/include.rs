//! Files that a file includes.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::problem::{Place, Writing};

/// Files within one another, at most.
const MAX_DEPTH: usize = 8;

/// Files that are included in all.
const MAX_FILES: usize = 64;

/// Bytes of a file.
const MAX_BYTES: u64 = 1 << 20;

/// Where the text of `!include` comes from.
pub trait Includes {
    /// The file of a name that stands in another one, and its text; the error is for a person.
    ///
    /// # Errors
    ///
    /// It cannot be had.
    fn open(&mut self, name: &str, from: &Place) -> Result<(Place, String), String>;
    /// What was opened last has been read.
    fn close(&mut self);
}

/// From the file system, by names relative to the file that includes.
#[derive(Debug, Default)]
pub struct Files {
    /// Those that are being read, by their real names.
    open: Vec<PathBuf>,
    count: usize,
}

impl Files {
    /// The text of a configuration file, which then counts as open.
    ///
    /// # Errors
    ///
    /// It cannot be read, is no regular file, is too large, or no UTF-8. The text is for a person.
    pub fn read(&mut self, path: &Path) -> Result<String, String> {
        let real = fs::canonicalize(path).map_err(|error| error.to_string())?;
        if self.open.contains(&real) {
            return Err("it includes itself".to_owned());
        }
        if self.open.len() > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} files within one another"));
        }
        self.count += 1;
        if self.count > MAX_FILES {
            return Err(format!("more than {MAX_FILES} files"));
        }
        let text = read_text(&real, MAX_BYTES)?;
        self.open.push(real);
        Ok(text)
    }
}

impl Includes for Files {
    fn open(&mut self, name: &str, from: &Place) -> Result<(Place, String), String> {
        let directory = from.file().and_then(Path::parent).unwrap_or(Path::new(""));
        let path = directory.join(name);
        let text = self.read(&path)?;
        Ok((Place::new(Writing::File(path)), text))
    }

    fn close(&mut self) {
        self.open.pop();
    }
}

/// Nothing can be included.
#[derive(Debug)]
pub struct NoFiles;

impl Includes for NoFiles {
    fn open(&mut self, _name: &str, _from: &Place) -> Result<(Place, String), String> {
        Err("no file can be included here".to_owned())
    }

    fn close(&mut self) {}
}

/// The text of a regular file. Reading a pipe or a device could take for ever.
pub(in super::super) fn read_text(path: &Path, limit: u64) -> Result<String, String> {
    let said = |error: std::io::Error| error.to_string();
    if !fs::metadata(path).map_err(said)?.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(said)?;
    if bytes.len() as u64 > limit {
        return Err(format!("more than {limit} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
}
