//! What the dialects ask of the execution service, as one trait: so they are tested without sandboxes.

use std::fs::File;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use belljar_execute::{ExecuteError, Libraries, NotReady, Request, Response, Service, Specifications, Traffic, Usage};
use belljar_store::{Environment, EnvironmentId};
use tokio::io::AsyncRead;

/// The execution service, as far as HTTP needs it.
pub(crate) trait Backend: Clone + Send + Sync + 'static {
    /// Runs the commands of a request in a sandbox of its own.
    fn execute(&self, request: Request) -> impl Future<Output = Result<Response, ExecuteError>> + Send;

    /// Looks up a saved environment.
    fn environment(&self, id: &EnvironmentId) -> impl Future<Output = Result<Environment, ExecuteError>> + Send;

    /// Looks up a saved environment and opens its archive.
    fn open_environment(
        &self,
        id: &EnvironmentId,
    ) -> impl Future<Output = Result<(Environment, File), ExecuteError>> + Send;

    /// Takes a file out of a saved environment.
    fn member(&self, id: &EnvironmentId, path: &str) -> impl Future<Output = Result<Member, ExecuteError>> + Send;

    /// The size of a file of a saved environment.
    fn member_size(&self, id: &EnvironmentId, path: &str) -> impl Future<Output = Result<u64, ExecuteError>> + Send;

    /// A nameless temporary file for an upload.
    fn spool(&self) -> impl Future<Output = Result<File, ExecuteError>> + Send;

    /// What software programs find.
    fn libraries(&self) -> impl Future<Output = Result<Arc<Libraries>, ExecuteError>> + Send;

    /// What the machine and its sandboxes are.
    fn specifications(&self) -> impl Future<Output = Result<Specifications, ExecuteError>> + Send;

    /// How busy the machine is.
    fn usage(&self) -> Usage;

    /// Limits that callers are told of.
    fn limits(&self) -> BackendLimits;

    /// What the operator watches.
    fn gauges(&self) -> impl Future<Output = Gauges> + Send;

    /// Whether an execution could begin now.
    fn ready(&self) -> Result<(), NotReady>;
}

/// A file of a saved environment.
pub(crate) struct Member {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its bytes.
    pub(crate) content: Pin<Box<dyn AsyncRead + Send>>,
}

/// Limits that callers are told of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackendLimits {
    /// CPU time of one command; absent when wall-clock time alone decides.
    pub(crate) cpu_time: Option<Duration>,
    /// Bytes of an upload.
    pub(crate) upload_bytes: u64,
}

/// What the operator watches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gauges {
    /// Sandboxes ready to be taken.
    pub(crate) idle: usize,
    /// Sandboxes in use.
    pub(crate) busy: usize,
    /// Sandboxes being made or made new.
    pub(crate) preparing: usize,
    /// Requests that wait for a sandbox.
    pub(crate) waiting: usize,
    /// What sandboxes have reached of the network; absent without an allow-list.
    pub(crate) traffic: Option<Traffic>,
    /// Saved environments and the bytes of their archives; absent when the store did not answer.
    pub(crate) stored: Option<(u64, u64)>,
}

impl Backend for Service {
    async fn execute(&self, request: Request) -> Result<Response, ExecuteError> {
        Self::execute(self, request).await
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, ExecuteError> {
        Self::environment(self, id).await
    }

    async fn open_environment(&self, id: &EnvironmentId) -> Result<(Environment, File), ExecuteError> {
        Self::open_environment(self, id).await
    }

    async fn member(&self, id: &EnvironmentId, path: &str) -> Result<Member, ExecuteError> {
        let member = Self::member(self, id, path).await?;
        Ok(Member { size: member.size, content: Box::pin(member.content) })
    }

    async fn member_size(&self, id: &EnvironmentId, path: &str) -> Result<u64, ExecuteError> {
        Self::member_size(self, id, path).await
    }

    async fn spool(&self) -> Result<File, ExecuteError> {
        Self::spool(self).await
    }

    async fn libraries(&self) -> Result<Arc<Libraries>, ExecuteError> {
        Self::libraries(self).await
    }

    async fn specifications(&self) -> Result<Specifications, ExecuteError> {
        Self::specifications(self).await
    }

    fn usage(&self) -> Usage {
        Self::usage(self)
    }

    fn limits(&self) -> BackendLimits {
        let settings = self.settings();
        BackendLimits { cpu_time: settings.sandbox.cpu_time, upload_bytes: settings.max_upload.bytes() }
    }

    async fn gauges(&self) -> Gauges {
        let stored = self.stored().await;
        if let Err(error) = &stored {
            tracing::warn!(error = %error, "saved environments cannot be counted");
        }
        let pool = self.pool();
        let (idle, busy, preparing, waiting) = (pool.idle, pool.busy, pool.preparing, pool.waiting);
        Gauges { idle, busy, preparing, waiting, traffic: self.traffic(), stored: stored.ok() }
    }

    fn ready(&self) -> Result<(), NotReady> {
        Self::ready(self)
    }
}
