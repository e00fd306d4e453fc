//! Libraries that real apps use, as npm installs them: once for each target directory, for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The toolkit with what it depends on, and a library that looks closely at where it runs.
const PACKAGES: [&str; 6] =
    ["vumigo_v02@0.3.2", "lodash@4.17.21", "q@1.5.1", "jed@0.5.4", "moment@2.29.4", "bluebird@3.7.2"];

/// Their `node_modules`.
///
/// # Errors
/// Why they are not there.
pub(crate) fn libraries() -> Result<PathBuf, String> {
    static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

fn install() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = program.ancestors().find(|path| path.ends_with("target") && path.is_dir());
    let target = target.ok_or("the test program is in no directory called target")?;
    let directory = target.join("worker-libraries");
    let modules = directory.join("node_modules");
    // Nothing of it is there before all of it is.
    if modules.is_dir() {
        return Ok(modules);
    }
    let making = fetch(target)?;
    if std::fs::rename(&making, &directory).is_err() {
        // Another test program was faster.
        let _ = std::fs::remove_dir_all(&making);
    }
    if modules.is_dir() { Ok(modules) } else { Err(format!("{} cannot be made", directory.display())) }
}

fn fetch(target: &Path) -> Result<PathBuf, String> {
    let failed = |error: std::io::Error| format!("npm install: {error}");
    let making = tempfile::Builder::new().prefix("worker-libraries-").tempdir_in(target).map_err(failed)?;
    std::fs::write(making.path().join("package.json"), "{\"private\": true}").map_err(failed)?;
    let arguments = ["install", "--no-audit", "--no-fund", "--ignore-scripts"];
    let output =
        Command::new("npm").args(arguments).args(PACKAGES).current_dir(making.path()).output().map_err(failed)?;
    if !output.status.success() {
        return Err(format!("npm install: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(making.keep())
}
