//! Where `require` reads: some directories, and nothing outside of them.

use std::io;
use std::path::{Path, PathBuf};

/// Bytes of one module, at most: ten times the largest of the libraries that are known to be used.
const MAX_MODULE_BYTES: u64 = 16 << 20;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A file, with its real path.
    File(PathBuf),
    /// A directory, with its real path.
    Directory(PathBuf),
    /// A file or directory that is not inside of the roots: a link led out of them, or a name did.
    Outside(PathBuf),
    /// Nothing that could be read.
    Nothing,
}

/// The directories in which modules are looked for. Nothing outside of them is ever read.
#[derive(Debug, Clone)]
pub(super) struct Directories {
    roots: Vec<PathBuf>,
}

impl Directories {
    /// Those that are there; what is not there offers no modules.
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        Self { roots: paths.iter().filter_map(|path| path.canonicalize().ok()).collect() }
    }

    /// Their real paths, in the order in which they are looked into.
    pub(super) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// What a path stands for, links followed.
    pub(super) fn look(&self, path: &Path) -> Found {
        let Ok(real) = path.canonicalize() else { return Found::Nothing };
        // What is outside is not even asked what it is.
        if !self.roots.iter().any(|root| real.starts_with(root)) {
            return Found::Outside(real);
        }
        match real.metadata() {
            Ok(metadata) if metadata.is_file() => Found::File(real),
            Ok(metadata) if metadata.is_dir() => Found::Directory(real),
            _ => Found::Nothing,
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// The system's, and our own if it is outside of the directories or has more than [`MAX_MODULE_BYTES`].
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        use std::io::Read as _;

        let Found::File(path) = self.look(path) else { return Err(io::ErrorKind::NotFound.into()) };
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(MAX_MODULE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_MODULE_BYTES {
            return Err(io::Error::other(format!("more than {MAX_MODULE_BYTES} bytes")));
        }
        Ok(bytes)
    }
}
