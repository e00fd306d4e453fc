//! Analysis sandboxes.

use std::io;
use std::sync::{Arc, mpsc};

use super::download::Download;
use super::runtime::Runtime;
use crate::error::{Error, Result, Step};
use crate::report::Report;
use crate::sample::{Hash, Sample};
use crate::sandbox::{
    Artifact, Availability, Boxed, Capabilities, Options, Queue, Sandbox as Asynchronous, Status, Submission, Vendor,
};
use crate::wait::Patience;

/// News of a wait that nobody has heard yet, at most; more of it is not told.
const UNHEARD: usize = 64;

/// A sandbox of some vendor, without `async`. What its methods do, and how they fail, is said at the methods of [`crate::Sandbox`].
#[derive(Debug, Clone)]
pub struct Sandbox {
    sandbox: Arc<dyn Asynchronous>,
    runtime: Runtime,
}

impl Sandbox {
    /// With a thread of its own.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn new(sandbox: Arc<dyn Asynchronous>) -> io::Result<Self> {
        Ok(Self::with_runtime(sandbox, Runtime::new()?))
    }

    /// With a thread that others use, too.
    pub fn with_runtime(sandbox: Arc<dyn Asynchronous>, runtime: Runtime) -> Self {
        Self { sandbox, runtime }
    }

    /// The sandbox itself.
    #[must_use]
    pub fn asynchronous(&self) -> &Arc<dyn Asynchronous> {
        &self.sandbox
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        self.sandbox.name()
    }

    /// Whose product it is.
    #[must_use]
    pub fn vendor(&self) -> Vendor {
        self.sandbox.vendor()
    }

    /// What it can do besides the least.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.sandbox.capabilities()
    }

    /// Whether it is there and the key is right.
    ///
    /// # Errors
    /// It is not, or the key is not.
    pub fn available(&self) -> Result<Availability> {
        self.call(Step::Availability, |sandbox| sandbox.available())
    }

    /// Submits a file or an address.
    ///
    /// # Errors
    /// The sample cannot be read, or the sandbox does not take it.
    pub fn submit(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        let given = (sample.clone(), options.clone());
        self.call_with(Step::Submit, given, |sandbox, (sample, options)| sandbox.submit(sample, options))
    }

    /// Looks for an analysis of this hash.
    ///
    /// # Errors
    /// The sandbox cannot look hashes up, or could not be asked.
    pub fn look_up(&self, hash: &Hash) -> Result<Option<Submission>> {
        self.call_with(Step::LookUp, hash.clone(), |sandbox, hash| sandbox.look_up(hash))
    }

    /// How far it is.
    ///
    /// # Errors
    /// The sandbox could not be asked.
    pub fn status(&self, submission: &Submission) -> Result<Status> {
        self.call_with(Step::Status, submission.clone(), |sandbox, submission| sandbox.status(submission))
    }

    /// Waits for the end; `hear` is told, on this thread, each time something is new.
    ///
    /// # Errors
    /// As [`crate::wait()`].
    pub fn wait(&self, submission: &Submission, patience: Patience, mut hear: impl FnMut(&Status)) -> Result<()> {
        let (tell, told) = mpsc::sync_channel(UNHEARD);
        let (sandbox, submission) = (Arc::clone(&self.sandbox), submission.clone());
        let waiting = async move {
            // A listener that is slow, or gone, does not hold up the wait.
            crate::wait(&*sandbox, &submission, patience, |status| drop(tell.try_send(status.clone()))).await
        };
        let begun = self.runtime.begin(waiting).map_err(|kind| self.error(Step::Wait, kind))?;
        for status in told {
            hear(&status);
        }
        begun.wait().map_err(|kind| self.error(Step::Wait, kind))?
    }

    /// The report of a finished analysis.
    ///
    /// # Errors
    /// There is none, or it makes no sense.
    pub fn report(&self, submission: &Submission) -> Result<Report> {
        self.call_with(Step::Report, submission.clone(), |sandbox, submission| sandbox.report(submission))
    }

    /// An artifact of a finished analysis, to be read as it comes.
    ///
    /// # Errors
    /// The sandbox has no such thing, or could not be asked.
    pub fn artifact(&self, submission: &Submission, artifact: impl Into<Artifact>) -> Result<Download> {
        let given = (submission.clone(), artifact.into());
        let download = self.call_with(Step::Artifact, given, |sandbox, (submission, artifact)| {
            sandbox.artifact(submission, artifact.clone())
        })?;
        Ok(Download::new(download, self.runtime.clone()))
    }

    /// Deletes it, and what it left.
    ///
    /// # Errors
    /// The sandbox cannot or does not.
    pub fn delete(&self, submission: &Submission) -> Result<()> {
        self.call_with(Step::Delete, submission.clone(), |sandbox, submission| sandbox.delete(submission))
    }

    /// How much there is to do.
    ///
    /// # Errors
    /// The sandbox does not tell, or could not be asked.
    pub fn queue(&self) -> Result<Queue> {
        self.call(Step::Queue, |sandbox| sandbox.queue())
    }

    /// Gives back what the vendor counts while it is open.
    ///
    /// # Errors
    /// The sandbox could not be asked.
    pub fn close(&self) -> Result<()> {
        self.call(Step::Other("closing"), |sandbox| sandbox.close())
    }

    fn call<T: Send + 'static>(
        &self,
        step: Step,
        call: impl for<'a> FnOnce(&'a dyn Asynchronous) -> Boxed<'a, T> + Send + 'static,
    ) -> Result<T> {
        self.call_with(step, (), |sandbox, ()| call(sandbox))
    }

    fn call_with<T: Send + 'static, G: Send + Sync + 'static>(
        &self,
        step: Step,
        given: G,
        call: impl for<'a> FnOnce(&'a dyn Asynchronous, &'a G) -> Boxed<'a, T> + Send + 'static,
    ) -> Result<T> {
        let sandbox = Arc::clone(&self.sandbox);
        self.runtime.run(async move { call(&*sandbox, &given).await }).map_err(|kind| self.error(step, kind))?
    }

    fn error(&self, step: Step, kind: crate::ErrorKind) -> Error {
        Error { sandbox: self.name().to_owned(), vendor: self.vendor(), step, kind }
    }
}
