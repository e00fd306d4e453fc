//! The execution API.

use serde_json::Value;

use super::download::Download;
use super::runtime::Runtime;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::execution::{
    Archive, Execution as Asynchronous, ExecutionSettings, Fact, Libraries, Outcome, Presence, Request, Specifications,
    Usage,
};
use crate::sandbox::Vendor;

/// A server that executes, without `async`. What its methods do, and how they fail, is said at the methods of [`crate::execution::Execution`].
///
/// ```no_run
/// use belljar_client::blocking::Execution;
/// use belljar_client::execution::{ExecutionSettings, Request};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Execution::new(ExecutionSettings::new("lab", "http://127.0.0.1:7000"))?;
/// let mut request = Request::new(["echo $((6*7)) > answer.txt"]);
/// request.save = true;
/// let outcome = server.execute(&request, None)?;
/// let saved = outcome.environment.ok_or("it was not saved")?;
/// println!("{}, kept until {:?}", outcome.status, outcome.expire);
/// std::io::copy(&mut server.download_file(&saved, "answer.txt")?, &mut std::io::stdout())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Execution {
    execution: Asynchronous,
    runtime: Runtime,
}

impl Execution {
    /// For an address, with a thread of its own. Nothing is sent.
    ///
    /// # Errors
    /// The address or another setting is wrong, or there can be no more threads.
    pub fn new(settings: ExecutionSettings) -> Result<Self> {
        let name = settings.http.name.clone();
        let execution = Asynchronous::new(settings)?;
        let runtime = Runtime::new().map_err(|problem| {
            let kind = ErrorKind::Transport { reason: format!("no thread can be started: {problem}"), sent: false };
            Error { sandbox: name, vendor: Vendor::PremierLangage, step: Step::Other("starting"), kind }
        })?;
        Ok(Self { execution, runtime })
    }

    /// With a thread that others use, too.
    #[must_use]
    pub const fn with_runtime(execution: Asynchronous, runtime: Runtime) -> Self {
        Self { execution, runtime }
    }

    /// The client itself.
    #[must_use]
    pub const fn asynchronous(&self) -> &Asynchronous {
        &self.execution
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        self.execution.name()
    }

    /// Executes.
    ///
    /// # Errors
    /// As [`Asynchronous::execute`].
    pub fn execute(&self, request: &Request, archive: Option<&Archive>) -> Result<Outcome> {
        let (execution, request, archive) = (self.execution.clone(), request.clone(), archive.cloned());
        self.call(Step::Execute, async move { execution.execute(&request, archive.as_ref()).await })
    }

    /// Executes what the protocol's own JSON says.
    ///
    /// # Errors
    /// As [`Asynchronous::execute_json`].
    pub fn execute_json(&self, config: &Value, archive: Option<&Archive>) -> Result<Value> {
        let (execution, config, archive) = (self.execution.clone(), config.clone(), archive.cloned());
        self.call(Step::Execute, async move { execution.execute_json(&config, archive.as_ref()).await })
    }

    /// Downloads a saved environment, to be read as it comes.
    ///
    /// # Errors
    /// As [`Asynchronous::download_environment`].
    pub fn download_environment(&self, id: &str) -> Result<Download> {
        let (execution, id) = (self.execution.clone(), id.to_owned());
        let step = Step::Other("downloading the environment");
        let download = self.call(step, async move { execution.download_environment(&id).await })?;
        Ok(Download::new(download, self.runtime.clone()))
    }

    /// Downloads a file out of a saved environment, to be read as it comes.
    ///
    /// # Errors
    /// As [`Asynchronous::download_file`].
    pub fn download_file(&self, id: &str, path: &str) -> Result<Download> {
        let (execution, id, path) = (self.execution.clone(), id.to_owned(), path.to_owned());
        let step = Step::Other("downloading the file");
        let download = self.call(step, async move { execution.download_file(&id, &path).await })?;
        Ok(Download::new(download, self.runtime.clone()))
    }

    /// Whether an environment is there.
    ///
    /// # Errors
    /// As [`Asynchronous::check_environment`].
    pub fn check_environment(&self, id: &str) -> Result<Presence> {
        let (execution, id) = (self.execution.clone(), id.to_owned());
        self.call(Step::Other("asking for the environment"), async move { execution.check_environment(&id).await })
    }

    /// Whether a file is in a saved environment.
    ///
    /// # Errors
    /// As [`Asynchronous::check_file`].
    pub fn check_file(&self, id: &str, path: &str) -> Result<Presence> {
        let (execution, id, path) = (self.execution.clone(), id.to_owned(), path.to_owned());
        self.call(Step::Other("asking for the file"), async move { execution.check_file(&id, &path).await })
    }

    /// What the server and its sandboxes are.
    ///
    /// # Errors
    /// As [`Asynchronous::specifications`].
    pub fn specifications(&self) -> Result<Specifications> {
        let execution = self.execution.clone();
        self.call(Fact::Specifications.step(), async move { execution.specifications().await })
    }

    /// How busy the server is.
    ///
    /// # Errors
    /// As [`Asynchronous::usage`].
    pub fn usage(&self) -> Result<Option<Usage>> {
        let execution = self.execution.clone();
        self.call(Fact::Usage.step(), async move { execution.usage().await })
    }

    /// What is installed in the sandboxes.
    ///
    /// # Errors
    /// As [`Asynchronous::libraries`].
    pub fn libraries(&self) -> Result<Libraries> {
        let execution = self.execution.clone();
        self.call(Fact::Libraries.step(), async move { execution.libraries().await })
    }

    /// A fact as the server's JSON, unread.
    ///
    /// # Errors
    /// As [`Asynchronous::fact`].
    pub fn fact(&self, fact: Fact) -> Result<Value> {
        let execution = self.execution.clone();
        self.call(fact.step(), async move { execution.fact(fact).await })
    }

    fn call<T: Send + 'static>(&self, step: Step, call: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let error = |kind| Error { sandbox: self.name().to_owned(), vendor: Vendor::PremierLangage, step, kind };
        self.runtime.run(call).map_err(error)?
    }
}
