//! Joe Sandbox, by its REST API v2.

mod ask;
mod lab;
mod report;
mod submit;
mod types;

use crate::error::{ErrorKind, Result, Step};
use crate::http::{Settings, Transport};
use crate::report::Report;
use crate::sample::{Hash, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Queue, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;

pub use lab::JoeLab;
pub use submit::JoeSubject;
pub use types::{JoeAccount, JoeAnalysis, JoePage, JoeQuota, JoeQuotas, JoeRun, JoeSubmission, JoeSystem};

/// Joe Sandbox Cloud's API.
pub const JOE_CLOUD: &str = "https://jbxcloud.joesecurity.org/api";
/// What an id begins with that is that of an analysis: a web id. One without is that of a submission, as submitting gives it.
pub const JOE_WEB_ID: &str = "webid:";
/// Bytes of one piece of an upload, as the vendor's own client has them.
pub const JOE_CHUNK_BYTES: u64 = 10 << 20;
/// Analyses of a hash that are looked at, the first of the server's list first.
const MAX_LOOKED_AT: usize = 8;

/// The name of an analysis among a [`Submission`]'s others.
const WEB_ID: &str = "webid";

/// How a Joe Sandbox is reached.
#[derive(Debug, Clone)]
pub struct JoeSettings {
    /// Where its API is: [`JOE_CLOUD`], or `http://HOST/joesandbox/index.php/api` of one's own.
    pub http: Settings,
    /// The API key.
    pub key: Secret,
    /// That whoever submits accepts the vendor's terms and conditions. False by default, and nothing can be submitted until it is true.
    pub accept_tac: bool,
    /// Larger samples go in pieces of so many bytes; nothing for never. [`JOE_CHUNK_BYTES`] by default. A server that knows no pieces gets the whole.
    pub chunk_bytes: Option<u64>,
}

impl JoeSettings {
    /// The defaults, with this key. The terms are not accepted.
    #[must_use]
    pub const fn new(http: Settings, key: Secret) -> Self {
        Self { http, key, accept_tac: false, chunk_bytes: Some(JOE_CHUNK_BYTES) }
    }
}

/// A Joe Sandbox.
///
/// - Submitting gives a submission's id; reports are asked for by web ids. This client asks for the one by the other. An analysis whose submission is
///   not known (one that was found by its hash) is called `webid:` and its web id.
/// - The verdict is that of the report's `detection`: its flag is the word, and its score, of its greatest score, the number.
/// - Of several analyses of one submission, the one that Joe calls the most relevant is reported.
#[derive(Debug)]
pub struct Joe {
    transport: Transport,
    key: Secret,
    accept_tac: bool,
    chunk_bytes: Option<u64>,
}

impl Joe {
    /// For an address and a key.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: JoeSettings) -> Result<Self> {
        let JoeSettings { http, key, accept_tac, chunk_bytes } = settings;
        let transport = Transport::new(http, Vendor::Joe, vec![key.clone()])?;
        if chunk_bytes == Some(0) {
            let problem = "a piece of an upload must not be empty".to_owned();
            return Err(transport.error(Step::Other("reading the settings"), ErrorKind::Invalid(problem)));
        }
        Ok(Self { transport, key, accept_tac, chunk_bytes })
    }

    /// The web id of a submission: the name of its most relevant analysis.
    ///
    /// # Errors
    /// [`ErrorKind::NotReady`] while there is none, [`ErrorKind::AnalysisFailed`] when there will be none.
    pub async fn web_id(&self, submission: &Submission) -> Result<String> {
        self.web_id_for(Step::Other("asking for the web id"), submission).await
    }

    async fn web_id_for(&self, step: Step, submission: &Submission) -> Result<String> {
        match Name::of(submission) {
            Name::Web(web) => Ok(web.to_owned()),
            Name::Submission(id) => match submission.others.get(WEB_ID) {
                Some(web) => Ok(web.clone()),
                None => Ok(self.most_relevant(step, id).await?.0),
            },
        }
    }

    /// The most relevant analysis of a submission that has ended well.
    async fn most_relevant(&self, step: Step, id: &str) -> Result<(String, JoeAnalysis)> {
        let info = self.submission_info_for(step, id).await?;
        self.ended(step, info.state())?;
        let analysis = info.most_relevant_analysis.or_else(|| info.analyses.into_iter().next());
        let named = analysis.and_then(|analysis| Some((analysis.webid.clone()?, analysis)));
        named.ok_or_else(|| self.malformed(step, "a finished submission without a `webid`"))
    }

    /// Nothing when it has ended well, else what is in the way of a report.
    fn ended(&self, step: Step, status: Option<Status>) -> Result<()> {
        let kind = match status {
            Some(Status::Finished) => return Ok(()),
            Some(Status::Queued) => ErrorKind::NotReady("it waits for its turn".to_owned()),
            Some(Status::Running) => ErrorKind::NotReady("it is being analysed".to_owned()),
            Some(Status::Failed(why)) => ErrorKind::AnalysisFailed(why),
            None => ErrorKind::Malformed("no `status`".to_owned()),
        };
        Err(self.transport.error(step, kind))
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    async fn status_of(&self, submission: &Submission) -> Result<Status> {
        let state = match Name::of(submission) {
            Name::Web(web) => self.analysis_info_for(Step::Status, web).await?.state(),
            Name::Submission(id) => self.submission_info_for(Step::Status, id).await?.state(),
        };
        match state.ok_or_else(|| self.malformed(Step::Status, "no `status`"))? {
            Status::Failed(why) => Ok(Status::Failed(self.transport.said(&why))),
            status => Ok(status),
        }
    }

    async fn report_of(&self, submission: &Submission) -> Result<Report> {
        let (web, known) = match Name::of(submission) {
            Name::Web(web) => {
                let known = self.analysis_info_for(Step::Report, web).await?;
                self.ended(Step::Report, known.state())?;
                (web.to_owned(), known)
            }
            Name::Submission(id) => {
                let (web, known) = self.most_relevant(Step::Report, id).await?;
                match submission.others.get(WEB_ID) {
                    Some(other) if *other != web => (other.clone(), JoeAnalysis::default()),
                    _ => (web, known),
                }
            }
        };
        let answer = self.download_for(Step::Report, &web, "jsonfixed", None).await?;
        let (raw, found) = answer.report::<report::Found>().await?;
        let report = found.into_report(raw, &known);
        report.ok_or_else(|| self.malformed(Step::Report, "a report without `analysis`"))
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        let mut newest: Option<JoeAnalysis> = None;
        // What is looked for is a text, which may also be found in a comment.
        let found = self.search_for(Step::LookUp, hash.as_str()).await?;
        for web in found.into_iter().take(MAX_LOOKED_AT) {
            let analysis = self.analysis_info_for(Step::LookUp, &web).await?;
            let is_it = analysis.hash(hash.kind()).is_some_and(|found| found.eq_ignore_ascii_case(hash.as_str()));
            if is_it
                && analysis.state() == Some(Status::Finished)
                && newest.as_ref().is_none_or(|newest| newest.time < analysis.time)
            {
                newest = Some(JoeAnalysis { webid: Some(web), ..analysis });
            }
        }
        let web = newest.and_then(|analysis| analysis.webid);
        Ok(web.map(|web| {
            let mut submission = Submission::new(format!("{JOE_WEB_ID}{web}"));
            submission.others.insert(WEB_ID.to_owned(), web);
            submission
        }))
    }
}

/// Which of Joe's two kinds of ids a submission has.
enum Name<'a> {
    Submission(&'a str),
    Web(&'a str),
}

impl<'a> Name<'a> {
    fn of(submission: &'a Submission) -> Self {
        let id = submission.id.as_str();
        id.strip_prefix(JOE_WEB_ID).map_or(Self::Submission(id), Self::Web)
    }
}

impl Sandbox for Joe {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::Joe
    }

    fn capabilities(&self) -> Capabilities {
        use Capability::{Artifact, Delete, LookUp, Queue, SubmitUrl};
        let artifacts = TYPES.iter().map(|(kind, _)| Artifact(*kind)).chain([Artifact(ArtifactKind::Other)]);
        Capabilities::of([SubmitUrl, LookUp, Delete, Queue].into_iter().chain(artifacts))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            if !self.online().await? {
                let message = "it says that it is offline".to_owned();
                let kind = ErrorKind::Status { status: 503, message, retry_after: None };
                return Err(self.transport.error(Step::Availability, kind));
            }
            // Servers of one's own have no accounts, and some keys may not ask.
            let remarks = self.account().await.map(|account| account.remarks()).unwrap_or_default();
            Ok(Availability { version: None, remarks })
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(self.submit_subject(JoeSubject::Sample(sample), None, options))
    }

    fn look_up<'a>(&'a self, hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        Box::pin(self.look_for(hash))
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(self.status_of(submission))
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(self.report_of(submission))
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        let wanted = match wanted(&artifact) {
            Some(Ok(wanted)) => wanted,
            Some(Err(problem)) => {
                let error = self.transport.error(Step::Artifact, ErrorKind::Invalid(problem.to_owned()));
                return Box::pin(std::future::ready(Err(error)));
            }
            None => return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind)),
        };
        Box::pin(async move {
            let web = self.web_id_for(Step::Artifact, submission).await?;
            Ok(self.download_for(Step::Artifact, &web, &wanted.0, wanted.1).await?.download())
        })
    }

    fn delete<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, ()> {
        Box::pin(async {
            match Name::of(submission) {
                Name::Web(web) => self.delete_analysis(web).await,
                Name::Submission(id) => self.delete_submission(id).await,
            }
        })
    }

    fn queue(&self) -> Boxed<'_, Queue> {
        Box::pin(async {
            let waiting = self.queue_size().await?;
            Ok(Queue { waiting, running: None })
        })
    }
}

/// Joe's names of what has one here.
const TYPES: [(ArtifactKind, &str); 9] = [
    (ArtifactKind::Pdf, "pdf"),
    (ArtifactKind::Html, "html"),
    (ArtifactKind::Xml, "xml"),
    (ArtifactKind::Json, "jsonfixed"),
    (ArtifactKind::Pcap, "pcap"),
    (ArtifactKind::Dropped, "bins"),
    (ArtifactKind::Screenshots, "shoots"),
    (ArtifactKind::Memory, "memdumps"),
    (ArtifactKind::Sample, "sample"),
];

/// Joe's types of downloads, for [`ArtifactKind::Other`] and [`Joe::download`]: those that the vendor's client and documents name. Others are sent as they
/// are, too.
pub const JOE_DOWNLOADS: [&str; 34] = [
    "html",
    "lighthtml",
    "executive",
    "pdf",
    "classhtml",
    "xml",
    "lightxml",
    "classxml",
    "clusterxml",
    "irxml",
    "json",
    "jsonfixed",
    "lightjson",
    "lightjsonfixed",
    "irjson",
    "irjsonfixed",
    "shoots",
    "openioc",
    "openioc2",
    "maec",
    "misp",
    "graphreports",
    "memstrings",
    "binstrings",
    "sample",
    "cookbook",
    "bins",
    "unpackpe",
    "unpack",
    "ida",
    "pcap",
    "pcapslim",
    "memdumps",
    "yara",
];

/// The type and the run that an artifact is; nothing where Joe has no such thing.
///
/// A name is a type (`lighthtml`), a run (`1`) or both (`lighthtml:1`).
fn wanted(artifact: &Artifact) -> Option<Result<(String, Option<u32>), &'static str>> {
    let usual = TYPES.iter().find(|(kind, _)| *kind == artifact.kind).map(|(_, name)| *name);
    if usual.is_none() && artifact.kind != ArtifactKind::Other {
        return None;
    }
    let name = artifact.name.as_deref().unwrap_or_default();
    let (kind, run) = match name.split_once(':') {
        Some((kind, run)) => (kind, Some(run)),
        None if name.parse::<u32>().is_ok() => ("", Some(name)),
        None => (name, None),
    };
    let kind = Some(kind).filter(|kind| !kind.is_empty()).or(usual);
    Some(match (kind, run.map(str::parse).transpose()) {
        (Some(kind), Ok(run)) => Ok((kind.to_owned(), run)),
        (None, _) => Err("which artifact? its name is Joe's type: openioc, lighthtml, unpack, ..."),
        (_, Err(_)) => Err("after the type of an artifact comes the number of a run: lighthtml:1"),
    })
}
