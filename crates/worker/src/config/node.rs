//! Where Node is.

use std::path::{Path, PathBuf};

/// Where vxsandbox looks for Node, in this order.
pub const PLACES: [&str; 4] = ["/usr/local/bin/node", "/usr/local/bin/nodejs", "/usr/bin/node", "/usr/bin/nodejs"];

/// The first of [`PLACES`] that is there.
#[must_use]
pub fn find() -> Option<PathBuf> {
    PLACES.into_iter().map(Path::new).find(|path| path.is_file()).map(Path::to_owned)
}
