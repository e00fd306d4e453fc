//! The report of a scan, as PT Sandbox gives it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::wire::model;
use super::words::{ArtifactType, EngineSubsystem, LogType, NetworkObjectType, ScanState, Verdict};

/// The report of a scan.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScanReport {
    /// The scan's id.
    pub scan_id: String,
    /// What came of the whole; absent while the scan is running.
    pub result: Option<Outcome>,
    /// What was looked at: as a rule one file or address, with what is inside it.
    pub artifacts: Vec<ContentArtifact>,
    /// Why some of `artifacts` are left out: they cannot be read.
    pub unreadable: Vec<String>,
}

/// Strict about the result, because it is the verdict; an artifact that is wrong is left out, and said to be.
impl<'de> Deserialize<'de> for ScanReport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            scan_id: String,
            result: Option<Outcome>,
            #[serde(default)]
            artifacts: Value,
        }
        let wire = Wire::deserialize(deserializer)?;
        let mut report = Self { scan_id: wire.scan_id, result: wire.result, ..Self::default() };
        match wire.artifacts {
            Value::Array(artifacts) => {
                for artifact in artifacts {
                    match serde_json::from_value(artifact) {
                        Ok(artifact) => report.artifacts.push(artifact),
                        Err(error) => report.unreadable.push(error.to_string()),
                    }
                }
            }
            Value::Null => {}
            _ => report.unreadable.push("`artifacts` is no list".to_owned()),
        }
        Ok(report)
    }
}

/// What came of a scan of something. `scan_state` must be there: without it nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outcome {
    /// How much was done.
    pub scan_state: ScanState,
    /// The verdict, if there is one.
    #[serde(default)]
    pub verdict: Verdict,
    /// The class of the malware, such as `TROJAN`; empty or `NONE` when there is none.
    #[serde(default)]
    pub threat: String,
    /// Seconds that it took.
    #[serde(default)]
    pub duration: f64,
    /// The same with storing what came of it; of the whole, since the request.
    #[serde(default)]
    pub duration_full: f64,
    /// What went wrong.
    #[serde(default)]
    pub errors: Vec<ProblemOf>,
    /// What else came.
    #[serde(flatten)]
    pub others: serde_json::Map<String, Value>,
}

model! {
    /// Something that went wrong while scanning. Seen: `corrupted`, `encrypted` (no password fits), `internal` (an engine failed),
    /// `max_depth_exceeded`, `sandbox_run_sample` (the virtual machine).
    ProblemOf {
        /// What.
        #[serde(rename = "type")]
        kind: String,
        /// In words.
        message: String,
    }

    /// An object that was looked at, or that was found inside another.
    ContentArtifact {
        /// What it is.
        #[serde(rename = "type")]
        kind: ArtifactType,
        /// What came of it.
        result: Option<Outcome>,
        /// The file, where it is one.
        file_info: Option<FileInfo>,
        /// What each engine said; one entry for each image that it ran in.
        engine_results: Vec<EngineResult>,
        /// What is inside it: members of archives, parts of mails.
        artifacts: Vec<Self>,
        /// Addresses that were found in it.
        network_objects: Vec<NetworkObject>,
    }

    /// A file.
    FileInfo {
        /// By which it is downloaded: `sha256:` and digits.
        file_uri: String,
        /// Its path inside what it was found in; of the whole, its name.
        file_path: String,
        /// Its type.
        mime_type: String,
        /// Its MD5.
        md5: String,
        /// Its SHA-1.
        sha1: String,
        /// Its SHA-256.
        sha256: String,
        /// Its fuzzy hash.
        ssdeep: Option<String>,
        /// Its length in bytes.
        size: u64,
        /// What only some files have.
        details: FileDetails,
    }

    /// What only some files have.
    FileDetails {
        /// Of memory: whose.
        process_dump: Option<Process>,
    }

    /// The process that memory is of.
    Process {
        /// Its program.
        process_name: String,
        /// Its number.
        process_id: i64,
        /// Why the memory was taken.
        dump_trigger: String,
        /// When, in seconds since 1970.
        dump_create_time: f64,
    }

    /// What an engine said.
    EngineResult {
        /// Which sort of engine.
        engine_subsystem: EngineSubsystem,
        /// Which engine, such as `clamav`.
        engine_code_name: String,
        /// Its version.
        engine_version: Option<String>,
        /// The version of its signatures.
        database_version: Option<String>,
        /// The age of its signatures: seconds, milliseconds or a text.
        database_time: Value,
        /// What came of it.
        result: Option<Outcome>,
        /// What it found.
        detections: Vec<Detection>,
        /// Of a run in a virtual machine.
        details: EngineDetails,
    }

    /// What only some engines have to say.
    EngineDetails {
        /// Of a run in a virtual machine.
        sandbox: Option<VirtualMachine>,
    }

    /// Something that an engine found.
    Detection {
        /// The malware's name.
        detect: String,
        /// Its class.
        threat: String,
    }

    /// A run in a virtual machine.
    VirtualMachine {
        /// Of what image.
        image: super::public::Image,
        /// Files that were written about it: events, traffic, the video of the screen.
        logs: Vec<Log>,
        /// Files that it dropped, and memory of its processes.
        artifacts: Vec<ContentArtifact>,
        /// Before and after a restart, where there was one.
        stages: Vec<Stage>,
        /// Seconds that it was watched.
        analysis_duration: Option<f64>,
        /// Whether there was a restart.
        bootkitmon: bool,
        /// What it talked to.
        network_objects: Vec<NetworkObject>,
        /// What it did that counts.
        suspicious_behaviors: Vec<SuspiciousBehaviour>,
    }

    /// The part of a run before, or after, a restart.
    Stage {
        /// What came of it.
        result: Option<Outcome>,
        /// What was found.
        detections: Vec<Detection>,
        /// Files that were written about it.
        logs: Vec<Log>,
        /// Files that it dropped.
        artifacts: Vec<ContentArtifact>,
        /// Seconds that it was watched.
        analysis_duration: Option<f64>,
        /// What it did that counts.
        suspicious_behaviors: Vec<SuspiciousBehaviour>,
    }

    /// Something that a program did, by the rule that noticed it.
    SuspiciousBehaviour {
        /// The rule.
        name: String,
        /// Its version.
        version: Option<String>,
        /// The technique of ATT&CK, or empty.
        #[serde(alias = "mitreThreatId")]
        mitre_threat_id: String,
        /// Its share in the verdict.
        weight: i64,
        /// Its number.
        id: Option<String>,
        /// What it means.
        description: Option<String>,
    }

    /// A file about a run.
    Log {
        /// What is in it.
        #[serde(rename = "type")]
        kind: LogType,
        /// By which it is downloaded.
        file_uri: String,
        /// Its name.
        file_name: String,
    }

    /// An address.
    NetworkObject {
        /// What it is.
        #[serde(rename = "type")]
        kind: NetworkObjectType,
        /// Its text.
        value: String,
    }
}

impl ScanReport {
    /// All objects, each before what is inside it: also those that runs in virtual machines left, and their stages.
    #[must_use]
    pub fn all_artifacts(&self) -> Vec<&ContentArtifact> {
        let mut all = Vec::new();
        let mut left: Vec<&ContentArtifact> = self.artifacts.iter().rev().collect();
        while let Some(artifact) = left.pop() {
            all.push(artifact);
            let before = left.len();
            left.extend(&artifact.artifacts);
            for machine in artifact.machines() {
                left.extend(&machine.artifacts);
                left.extend(machine.stages.iter().flat_map(|stage| &stage.artifacts));
            }
            left[before..].reverse();
        }
        all
    }

    /// All runs in virtual machines: one for each image and each file that was run.
    #[must_use]
    pub fn machines(&self) -> Vec<&VirtualMachine> {
        self.all_artifacts().into_iter().flat_map(ContentArtifact::machines).collect()
    }

    /// All files about all runs.
    #[must_use]
    pub fn logs(&self) -> Vec<&Log> {
        let mut logs = Vec::new();
        for machine in self.machines() {
            logs.extend(&machine.logs);
            logs.extend(machine.stages.iter().flat_map(|stage| &stage.logs));
        }
        logs
    }
}

impl ContentArtifact {
    /// Its runs in virtual machines.
    pub fn machines(&self) -> impl Iterator<Item = &VirtualMachine> {
        self.engine_results.iter().filter_map(|engine| engine.details.sandbox.as_ref())
    }
}
