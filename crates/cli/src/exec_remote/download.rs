//! Saved environments, and files out of them.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use belljar_client::Download;
use futures_util::TryStreamExt as _;
use serde_json::json;
use tempfile::NamedTempFile;

use super::server;
use crate::args::DownloadRemoteArgs;
use crate::ask::block_on;
use crate::exit::ExitCode;
use crate::failure::{Failure, print};

/// Downloads to a file, or to standard output.
///
/// # Errors
///
/// There is no such thing, the connection broke, or it cannot be written.
pub(super) fn download(args: &DownloadRemoteArgs) -> Result<ExitCode, Failure> {
    if args.output.is_none() && args.path.is_none() && io::stdout().is_terminal() {
        let failure = Failure::usage(anyhow!("an environment is an archive, which says nothing on a terminal"));
        return Err(failure.hint("name a file for it with --output, or a file in it after the id"));
    }
    block_on(async {
        let server = server::open(&args.server).await?;
        let asked = match &args.path {
            None => server.download_environment(&args.environment).await,
            Some(path) => server.download_file(&args.environment, path).await,
        };
        let download = asked.map_err(server::failure)?;
        let Some(path) = &args.output else { return pass(download, io::stdout().lock()).await.map(drop) };
        let written = write(download, path).await?;
        if args.json {
            print(format!("{}\n", json!({"file": path.to_string_lossy(), "bytes": written})))
        } else {
            Ok(())
        }
    })?;
    Ok(ExitCode::Success)
}

/// Writes it to a file that has this name only when it is whole.
async fn write(download: Download, path: &Path) -> Result<u64, Failure> {
    let cannot = || format!("cannot write {}", path.display());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(directory).with_context(cannot).map_err(Failure::usage)?;
    let written = pass(download, &mut file).await?;
    file.persist(path).map_err(|error| error.error).with_context(cannot)?;
    Ok(written)
}

/// Passes on what comes. A reader that has gone away has what it wanted.
async fn pass(mut download: Download, mut to: impl Write) -> Result<u64, Failure> {
    let mut count = 0;
    while let Some(piece) = download.bytes.try_next().await.map_err(server::failure)? {
        match to.write_all(&piece) {
            Ok(()) => count += piece.len() as u64,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(count),
            Err(error) => return Err(anyhow::Error::new(error).context("cannot write what comes").into()),
        }
    }
    to.flush().context("cannot write what comes")?;
    Ok(count)
}
