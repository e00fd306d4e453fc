//! What an analysis by Cuckoo leaves.

use super::Cuckoo;
use crate::error::{ErrorKind, Result, Step};
use crate::http::Call;
use crate::sandbox::{Artifact, ArtifactKind, Download, Submission};

pub(super) const ARTIFACTS: [ArtifactKind; 9] = [
    ArtifactKind::Html,
    ArtifactKind::Json,
    ArtifactKind::Pcap,
    ArtifactKind::Dropped,
    ArtifactKind::Screenshots,
    ArtifactKind::Memory,
    ArtifactKind::Sample,
    ArtifactKind::All,
    ArtifactKind::Other,
];
/// Reports that have no kind of their own; all but the first are of Cuckoo 1, in its spelling.
const FORMATS: [&str; 7] = ["package_files", "htmlsumary", "pdf", "maec", "metadata", "dist", "dist2"];
/// How archives are packed; bzip2 by default.
const PACKED: [&str; 3] = ["bz2", "gz", "tar"];

impl Cuckoo {
    /// Of the archives, a name says how they are packed; of screenshots and memory, which; of others, which report.
    pub(super) async fn fetch(&self, id: &str, artifact: &Artifact) -> Result<Download> {
        let of_report = |format| Call::get(Step::Artifact, ["tasks", "report", id, format]);
        let call = match (artifact.kind, artifact.name.as_deref()) {
            (ArtifactKind::Json, None) => of_report("json"),
            (ArtifactKind::Html, None) => of_report("html"),
            (ArtifactKind::Dropped, None) => of_report("dropped"),
            (ArtifactKind::All, None) => of_report("all"),
            (ArtifactKind::Dropped, Some(packed)) if PACKED.contains(&packed) => {
                of_report("dropped").query("tar", packed)
            }
            (ArtifactKind::All, Some(packed)) if PACKED.contains(&packed) => of_report("all").query("tar", packed),
            (ArtifactKind::Other, Some(format)) if FORMATS.contains(&format) => of_report(format),
            (ArtifactKind::Pcap, None) => Call::get(Step::Artifact, ["pcap", "get", id]),
            (ArtifactKind::Screenshots, None) => Call::get(Step::Artifact, ["tasks", "screenshots", id]),
            (ArtifactKind::Screenshots, Some(which)) => Call::get(Step::Artifact, ["tasks", "screenshots", id, which]),
            (ArtifactKind::Memory, Some(which)) => Call::get(Step::Artifact, ["memory", "get", id, which]),
            (ArtifactKind::Memory, None) => {
                let dumps = self.memory_dumps(&Submission::new(id)).await?;
                let first = dumps.first().ok_or_else(|| self.none("there are no memory dumps"))?;
                Call::get(Step::Artifact, ["memory", "get", id, first])
            }
            (ArtifactKind::Sample, None) => {
                let task = self.view(Step::Artifact, id).await?;
                let sample = task.sample.sha256.ok_or_else(|| self.none("it was no file"))?;
                Call::get(Step::Artifact, ["files", "get", &sample])
            }
            (kind, which) => {
                let which = which.unwrap_or("without a name");
                let problem = format!(
                    "there is no {kind} {which}: names are numbers of screenshots, memory dumps (PROCESS-NUMBER), packings of archives ({}) and other reports ({})",
                    PACKED.join(", "),
                    FORMATS.join(", ")
                );
                return Err(self.transport.error(Step::Artifact, ErrorKind::Invalid(problem)));
            }
        };
        Ok(self.send(call).await?.download())
    }

    fn none(&self, problem: &str) -> crate::Error {
        self.transport.error(Step::Artifact, ErrorKind::NotFound(problem.to_owned()))
    }
}
