//! All that can be asked of a sandbox, whoever's it is.

use std::time::Duration;

use belljar_client::{
    Artifact, ArtifactKind, Capability, Hash, Options, Result, Sample, Sandbox, Status, Submission, Verdict,
};
use futures_util::TryStreamExt as _;

/// More than any question takes, so that one that hangs is told as such.
pub(crate) const HANGS: Duration = Duration::from_secs(60);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Available,
    Submit,
    SubmitUrl,
    LookUp,
    Status,
    Report,
    Artifact(ArtifactKind),
    Delete,
    Queue,
}

/// All steps that a vendor has.
pub(crate) fn steps(sandbox: &dyn Sandbox) -> Vec<Step> {
    let mut steps = vec![Step::Available, Step::Submit, Step::Status, Step::Report];
    steps.extend(sandbox.capabilities().0.into_iter().filter_map(|capability| match capability {
        Capability::SubmitUrl => Some(Step::SubmitUrl),
        Capability::LookUp => Some(Step::LookUp),
        Capability::Delete => Some(Step::Delete),
        Capability::Queue => Some(Step::Queue),
        // Its name is the vendor's own.
        Capability::Artifact(ArtifactKind::Other) => None,
        Capability::Artifact(kind) => Some(Step::Artifact(kind)),
    }));
    steps
}

/// What came of a step.
#[derive(Debug)]
pub(crate) enum Came {
    Nothing,
    Submission,
    Status(Status),
    Verdict(Verdict),
}

pub(crate) async fn ask(sandbox: &dyn Sandbox, step: Step) -> Result<Came> {
    let mut submission = Submission::new("11");
    // Names that some vendors need besides the first.
    for name in ["sha256", "job_id", "webid", "analysis_id", "sample_id", "submission_id", "task_id"] {
        submission.others.insert(name.to_owned(), "11".to_owned());
    }
    let hash = Hash::parse(&"0f".repeat(32)).unwrap();
    let (file, url) = (Sample::bytes("a.exe", &b"MZ"[..]), Sample::url("http://sample.test/"));
    Ok(match step {
        Step::Available => sandbox.available().await.map(|_| Came::Nothing)?,
        Step::Submit => sandbox.submit(&file, &Options::default()).await.map(|_| Came::Submission)?,
        Step::SubmitUrl => sandbox.submit(&url, &Options::default()).await.map(|_| Came::Submission)?,
        Step::LookUp => sandbox.look_up(&hash).await?.map_or(Came::Nothing, |_| Came::Submission),
        Step::Status => Came::Status(sandbox.status(&submission).await?),
        Step::Report => Came::Verdict(sandbox.report(&submission).await?.verdict),
        Step::Artifact(kind) => {
            let download = sandbox.artifact(&submission, Artifact::from(kind)).await?;
            download.bytes.try_fold((), |(), _| async { Ok(()) }).await?;
            Came::Nothing
        }
        Step::Delete => sandbox.delete(&submission).await.map(|()| Came::Nothing)?,
        Step::Queue => sandbox.queue().await.map(|_| Came::Nothing)?,
    })
}
