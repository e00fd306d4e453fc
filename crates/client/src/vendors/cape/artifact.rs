//! What an analysis by CAPE leaves.

use super::{Cape, ZIP_PASSWORD, get};
use crate::error::{ErrorKind, Result, Step};
use crate::http::Call;
use crate::sandbox::{Artifact, ArtifactKind, Download};

/// Those that are asked for by [`Artifact::name`] alone; below some of them, one of these.
const OTHERS: [(&str, &[&str]); 12] = [
    ("protobuf", &[]),
    ("parti", &[]),
    ("keys", &["tls", "ssl", "master"]),
    ("etw", &["dns", "network", "wmi", "amsi"]),
    ("bulkzip", &["logs", "network", "selfextracted"]),
    ("selfextracted", &["*"]),
    ("surifile", &[]),
    ("evtx", &[]),
    ("mitmdump", &[]),
    ("payloadfiles", &[]),
    ("procdumpfiles", &[]),
    ("iocs", &["detailed"]),
];
/// Captures besides the plain one.
const CAPTURES: [&str; 5] = ["decrypted", "mixed", "sslproxy", "pcapng", "zip"];

/// How something is asked for.
struct Route {
    call: Call,
    /// It comes as an archive with the password.
    protected: bool,
}

impl Cape {
    pub(super) async fn fetch(&self, id: &str, artifact: &Artifact) -> Result<Download> {
        let Some(Route { call, protected }) = route(id, artifact) else {
            let which = artifact.name.as_deref().unwrap_or("without a name");
            let kind = artifact.kind;
            let others: Vec<String> = OTHERS
                .iter()
                .map(
                    |(name, below)| {
                        if below.is_empty() { (*name).to_owned() } else { format!("{name}/{}", below.join("|")) }
                    },
                )
                .collect();
            let problem = format!("there is no {kind} {which}; other artifacts are {}", others.join(", "));
            return Err(self.transport.error(Step::Artifact, ErrorKind::Invalid(problem)));
        };
        let mut download = self.file(Step::Artifact, call).await?.download();
        download.password = protected.then_some(ZIP_PASSWORD);
        Ok(download)
    }
}

fn route(id: &str, artifact: &Artifact) -> Option<Route> {
    let plain = |path: &[&str]| Some(Route { call: get(Step::Artifact, path), protected: false });
    let zipped = |path: &[&str]| Some(Route { call: get(Step::Artifact, path), protected: true });
    let report = |format| plain(&["tasks", "get", "report", id, format]);
    let which = artifact.name.as_deref();
    let digits = which.filter(|which| !which.is_empty() && which.bytes().all(|digit| digit.is_ascii_digit()));
    match (artifact.kind, which) {
        (ArtifactKind::Json, None) => report("json"),
        (ArtifactKind::Json, Some(format @ ("litereport" | "maec5"))) => report(format),
        (ArtifactKind::Html, None) => report("html"),
        (ArtifactKind::Html, Some("htmlsummary")) => report("htmlsummary"),
        (ArtifactKind::Pdf, None) => report("pdf"),
        (ArtifactKind::Xml, None) => report("maec"),
        (ArtifactKind::Xml, Some(format @ ("maec" | "metadata"))) => report(format),
        (ArtifactKind::All, None) => report("all"),
        (ArtifactKind::All, Some(format @ ("dist" | "lite"))) => report(format),
        (ArtifactKind::Pcap, None) => plain(&["tasks", "get", "pcap", id]),
        (ArtifactKind::Pcap, Some("tls")) => plain(&["tasks", "get", "tlspcap", id]),
        (ArtifactKind::Pcap, Some(variant)) if CAPTURES.contains(&variant) => {
            plain(&["tasks", "get", "pcap", id, variant])
        }
        (ArtifactKind::Dropped, None) => zipped(&["tasks", "get", "dropped", id]),
        (ArtifactKind::Dropped, Some(_)) => {
            let mut route = zipped(&["tasks", "get", "dropped", id])?;
            route.call = route.call.query("max_size", digits?);
            Some(route)
        }
        (ArtifactKind::Screenshots, None) => plain(&["tasks", "get", "screenshot", id]),
        (ArtifactKind::Screenshots, Some(_)) => plain(&["tasks", "get", "screenshot", id, digits?]),
        (ArtifactKind::Memory, None) => zipped(&["tasks", "get", "procmemory", id]),
        (ArtifactKind::Memory, Some("full")) => plain(&["tasks", "get", "fullmemory", id]),
        (ArtifactKind::Memory, Some(_)) => zipped(&["tasks", "get", "procmemory", id, digits?]),
        (ArtifactKind::Sample, None) => plain(&["files", "get", "task", id]),
        (ArtifactKind::Sample, Some("encrypted")) => {
            let mut route = zipped(&["files", "get", "task", id])?;
            route.call = route.call.query("encrypted", "1");
            Some(route)
        }
        (ArtifactKind::Other, Some(name)) => {
            let (what, below) = name.split_once('/').map_or((name, None), |(what, below)| (what, Some(below)));
            let (_, known) = OTHERS.iter().find(|(other, _)| *other == what)?;
            let fits = match below {
                // These three are directories only.
                None => !matches!(what, "keys" | "etw" | "bulkzip"),
                Some(below) => known.contains(&below) || (known.contains(&"*") && !below.is_empty()),
            };
            let protected = matches!(what, "payloadfiles" | "procdumpfiles" | "bulkzip") || below == Some("amsi");
            let path: Vec<&str> = match what {
                "protobuf" | "parti" => vec!["tasks", "get", "report", id, what],
                _ => ["tasks", "get", what, id].into_iter().chain(below).collect(),
            };
            fits.then(|| Route { call: get(Step::Artifact, &path), protected })
        }
        _ => None,
    }
}
