//! What analyses leave.

use base64::Engine as _;
use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;

use super::gunzip::gunzip;
use super::more::Screenshot;
use super::{Falcon, at};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Call, plain_name};
use crate::sample::Hash;
use crate::sandbox::{Artifact, ArtifactKind, Download, Submission};

/// What of it can be had.
pub(super) const KINDS: [ArtifactKind; 10] = [
    ArtifactKind::Pdf,
    ArtifactKind::Html,
    ArtifactKind::Xml,
    ArtifactKind::Json,
    ArtifactKind::Pcap,
    ArtifactKind::Dropped,
    ArtifactKind::Screenshots,
    ArtifactKind::Memory,
    ArtifactKind::Sample,
    ArtifactKind::Other,
];
/// How a file in gzip begins (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

impl Falcon {
    pub(super) async fn fetch(&self, submission: &Submission, artifact: Artifact) -> Result<Download> {
        let id = submission.id.as_str();
        let of_type = |kind| vec!["report", id, "file", kind];
        let path = match (artifact.kind, artifact.name.as_deref()) {
            (ArtifactKind::Pdf, _) => of_type("pdf"),
            (ArtifactKind::Html, _) => of_type("html"),
            (ArtifactKind::Xml, _) => of_type("xml"),
            (ArtifactKind::Pcap, _) => of_type("pcap"),
            (ArtifactKind::Memory, _) => of_type("memory"),
            (ArtifactKind::Sample, _) => of_type("bin"),
            (ArtifactKind::Dropped, None) => vec!["report", id, "dropped-files"],
            (ArtifactKind::Dropped, Some(hash)) => vec!["report", id, "dropped-file-raw", hash],
            (ArtifactKind::Screenshots, None) => vec!["report", id, "screenshots"],
            (ArtifactKind::Screenshots, Some(name)) => return self.screenshot(submission, name).await,
            (ArtifactKind::Other, Some(kind)) => of_type(kind),
            (ArtifactKind::Other, None) => {
                let problem = "which one? Its name is one of crt, maec, stix, misp, misp-json, openioc";
                return Err(self.transport.error(Step::Artifact, ErrorKind::Invalid(problem.to_owned())));
            }
            _ => of_type("json"),
        };
        self.download(&path).await
    }

    /// A sample that somebody has submitted, by its SHA-256: unpacked. It needs a key of the default level.
    ///
    /// # Errors
    /// It is not there, or may not be had by this key.
    pub async fn known_sample(&self, sha256: &Hash) -> Result<Download> {
        self.download(&["overview", sha256.as_str(), "sample"]).await
    }

    /// Its pictures of the screen. All are held in memory.
    ///
    /// # Errors
    /// There are none, or the answer is something else.
    pub async fn screenshots(&self, submission: &Submission) -> Result<Vec<Screenshot>> {
        let answer = self.get(Step::Artifact, &["report", &submission.id, "screenshots"]).await?;
        let Value::Array(pictures) = answer else {
            return Err(self.malformed(Step::Artifact, "no list of screenshots"));
        };
        let picture = |(number, picture): (usize, Value)| {
            let text = |name: &str| picture[name].as_str().map(str::to_owned);
            let bytes = base64::engine::general_purpose::STANDARD.decode(picture["image"].as_str()?).ok()?;
            let name = text("name").as_deref().and_then(plain_name).unwrap_or_else(|| format!("{}.png", number + 1));
            Some(Screenshot { name, date: text("date"), bytes: bytes.into() })
        };
        let read: Option<_> = pictures.into_iter().enumerate().map(picture).collect();
        read.ok_or_else(|| self.malformed(Step::Artifact, "a screenshot that is no picture in base64"))
    }

    /// One of them, by its name or its number, from 1 on.
    async fn screenshot(&self, submission: &Submission, name: &str) -> Result<Download> {
        let pictures = self.screenshots(submission).await?;
        let number = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let found = pictures.iter().find(|picture| picture.name == name).or_else(|| pictures.get(number?));
        let Some(found) = found.cloned() else {
            let problem = format!("there are {} screenshots, and none is {name}", pictures.len());
            return Err(self.transport.error(Step::Artifact, ErrorKind::NotFound(problem)));
        };
        Ok(Download {
            name: Some(found.name),
            content_type: None,
            length: Some(found.bytes.len() as u64),
            password: None,
            bytes: stream::iter([Ok(found.bytes)]).boxed(),
        })
    }

    /// A file, unpacked when the server has packed it: samples, pages and traffic come in gzip, under a name that says so.
    async fn download(&self, path: &[&str]) -> Result<Download> {
        let mut answer = self.send(Call::get(Step::Artifact, at(path))).await?;
        let named = answer.headers().get("vx-filename").and_then(|name| plain_name(name.to_str().ok()?));
        let packed = answer.peek(GZIP.len()).await?.starts_with(&GZIP);
        let mut download = answer.download();
        download.name = named.or(download.name);
        let says_so = download.name.as_ref().is_none_or(|name| name.ends_with(".gz"));
        Ok(if packed && says_so { gunzip(download, &self.transport) } else { download })
    }
}
