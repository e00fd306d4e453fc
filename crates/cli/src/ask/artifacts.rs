//! `belljar artifacts`: what an analysis left, in files whose names are ours.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use belljar_client::{Artifact, ArtifactKind, Capability, Download};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::one::Place;
use super::{block_on, plain};
use crate::args::ArtifactsArgs;
use crate::exit::ExitCode;
use crate::failure::{Failure, print};

/// Letters of a name that comes from elsewhere, at most.
const MAX_NAME: usize = 64;

/// Downloads, or says what there is.
///
/// # Errors
///
/// It is not there, the sandbox has no such thing, or a file cannot be written. Files that were written before stay.
pub(crate) fn artifacts(args: &ArtifactsArgs) -> Result<ExitCode, Failure> {
    block_on(async {
        let target = Place::open(&args.sources, &args.target.sandbox, &args.target.id).await?;
        if args.kinds.is_empty() {
            return list(&target, args.json);
        }
        let written = download(&target, args).await;
        target.close().await;
        if args.json {
            print(format!("{:#}\n", Value::from(written?)))?;
        } else {
            written?;
        }
        Ok(ExitCode::Success)
    })
}

/// Each of them, one after the other.
async fn download(target: &Place, args: &ArtifactsArgs) -> Result<Vec<Value>, Failure> {
    let mut written = Vec::new();
    for kind in &args.kinds {
        let artifact = Artifact { kind: *kind, name: args.name.clone() };
        let fetching = target.sandbox.artifact(&target.submission, artifact);
        let downloading = async { write(args, *kind, fetching.await?).await };
        let done = tokio::time::timeout(args.timeout, downloading).await;
        let entry = done.map_err(|_| anyhow!("{kind}: not whole after {} s", args.timeout.as_secs_f32()))??;
        if !args.json {
            let password = entry["password"].as_str().map(|password| format!(" (password: {password})"));
            let file = entry["file"].as_str().unwrap_or_default();
            print(format!("{kind}: {} ({} bytes){}\n", plain(file), entry["bytes"], password.unwrap_or_default()))?;
        }
        written.push(entry);
    }
    Ok(written)
}

fn list(target: &Place, as_json: bool) -> Result<ExitCode, Failure> {
    let capabilities = target.sandbox.capabilities();
    let kinds = ArtifactKind::ALL.into_iter().filter(|kind| capabilities.has(Capability::Artifact(*kind)));
    let kinds: Vec<String> = kinds.map(|kind| kind.to_string()).collect();
    print(if as_json { format!("{}\n", json!(kinds)) } else { format!("{}\n", kinds.join("\n")) })?;
    Ok(ExitCode::Success)
}

/// Writes what comes, and says what it was.
async fn write(args: &ArtifactsArgs, kind: ArtifactKind, mut download: Download) -> Result<Value, Failure> {
    let file = args.directory.join(name(args, kind, download.name.as_deref()));
    let directory = &args.directory;
    let cannot = || format!("cannot write {}", file.display());
    if !args.overwrite && file.symlink_metadata().is_ok() {
        return Err(there(&file));
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let temporary = tempfile::NamedTempFile::new_in(directory).with_context(cannot)?;
    let mut to = tokio::fs::File::from_std(temporary.as_file().try_clone().with_context(cannot)?);
    let mut bytes: u64 = 0;
    while let Some(piece) = download.bytes.next().await {
        let piece = piece?;
        bytes += piece.len() as u64;
        if bytes > args.max_size {
            let error = anyhow!("{kind} is larger than {} bytes", args.max_size);
            return Err(Failure::from(error).hint("--max-size allows more"));
        }
        tokio::io::AsyncWriteExt::write_all(&mut to, &piece).await.with_context(cannot)?;
    }
    if download.length.is_some_and(|length| length != bytes) {
        return Err(anyhow!("{kind}: {bytes} bytes came of {}", download.length.unwrap_or(0)).into());
    }
    to.sync_all().await.with_context(cannot)?;
    keep(temporary, &file, args.overwrite)?;
    Ok(json!({
        "kind": kind,
        "file": file.display().to_string(),
        "bytes": bytes,
        "content_type": download.content_type,
        "name_of_server": download.name,
        "password": download.password,
    }))
}

/// `SANDBOX-ID-KIND.ending`. Of the server's name only its ending is used, if it is one.
fn name(args: &ArtifactsArgs, kind: ArtifactKind, of_server: Option<&str>) -> String {
    let id =
        serde_json::from_str::<Value>(&args.target.id).ok().and_then(|value| value["id"].as_str().map(str::to_owned));
    let id = id.unwrap_or_else(|| args.target.id.clone());
    let which = args.name.as_deref().map(|which| format!("-{}", harmless(which))).unwrap_or_default();
    let ending = of_server.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_ascii_lowercase());
    let is_ending =
        |ending: &String| (1..=8).contains(&ending.len()) && ending.bytes().all(|sign| sign.is_ascii_alphanumeric());
    let ending = ending.filter(is_ending).unwrap_or_else(|| usual(kind).to_owned());
    format!("{}-{}-{kind}{which}.{ending}", harmless(&args.target.sandbox), harmless(&id))
}

/// Letters, digits and a few signs: no directories, nothing hidden.
fn harmless(text: &str) -> String {
    let sign = |sign: char| if sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_') { sign } else { '_' };
    text.trim().chars().take(MAX_NAME).map(sign).collect()
}

const fn usual(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Pdf => "pdf",
        ArtifactKind::Html => "html",
        ArtifactKind::Xml => "xml",
        ArtifactKind::Json => "json",
        ArtifactKind::Pcap => "pcap",
        ArtifactKind::Dropped | ArtifactKind::Screenshots | ArtifactKind::Memory | ArtifactKind::All => "zip",
        ArtifactKind::Sample | ArtifactKind::Other => "bin",
    }
}

/// A file is in the way.
pub(super) fn there(file: &Path) -> Failure {
    Failure::usage(anyhow!("{} is there already", file.display())).hint("--overwrite writes over it")
}

/// Gives a whole file its name.
pub(super) fn keep(temporary: tempfile::NamedTempFile, file: &Path, overwrite: bool) -> Result<(), Failure> {
    let kept = if overwrite { temporary.persist(file) } else { temporary.persist_noclobber(file) };
    match kept {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(there(file)),
        Err(error) => Err(anyhow::Error::new(error.error).context(format!("cannot write {}", file.display())).into()),
    }
}

/// Writes a file as a whole or not at all, and over no other unless that is said.
///
/// # Errors
///
/// It is there already, or cannot be written.
pub(super) fn place(
    file: &Path,
    overwrite: bool,
    write: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> Result<(), Failure> {
    if !overwrite && file.symlink_metadata().is_ok() {
        return Err(there(file));
    }
    let directory = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_owned);
    let cannot = || format!("cannot write {}", file.display());
    let mut temporary = tempfile::NamedTempFile::new_in(directory).with_context(cannot)?;
    write(temporary.as_file_mut()).and_then(|()| temporary.flush()).with_context(cannot)?;
    temporary.as_file().sync_all().with_context(cannot)?;
    keep(temporary, file, overwrite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_no_paths() {
        assert_eq!(harmless("../../etc/passwd"), "______etc_passwd");
        assert_eq!(harmless("a b\u{202e}.exe"), "a_b__exe");
        assert_eq!(harmless(&"x".repeat(500)).len(), MAX_NAME);
    }
}
