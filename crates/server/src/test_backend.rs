//! An execution service without sandboxes, for tests.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use belljar_execute::{
    DiskRates, ExecuteError, Execution, HostSpecifications, HostUsage, Libraries, NotReady, Request, Response,
    SandboxSpecifications, Specifications, TimeLimit, Usage,
};
use belljar_sandbox::agent::Refusal;
use belljar_sandbox::{End, Outcome};
use belljar_store::{BlobId, Environment, EnvironmentId, StoreError};
use tokio::sync::Semaphore;

use crate::backend::{Backend, BackendLimits, Gauges, Member};
use crate::settings::{Config, Settings};
use crate::site::Site;

/// The one environment that there is.
pub(crate) const ENVIRONMENT: &str = "39a843f6-0f46-4f90-b2af-b7724106f954";

/// The answer to an execution whose environment has gone meanwhile.
pub(crate) const fn gone() -> &'static str {
    "No environment with UUID '39a843f6-0f46-4f90-b2af-b7724106f954' found"
}

/// Knows one environment with one file, and answers executions with what was asked. The first command `busy` and others like
/// it make it fail; `wait` waits for a permit.
#[derive(Debug, Clone)]
pub(crate) struct TestBackend {
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) waiting: Arc<Semaphore>,
    pub(crate) ready: bool,
}

impl Default for TestBackend {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(0)), waiting: Arc::new(Semaphore::new(0)), ready: true }
    }
}

/// The defaults.
pub(crate) fn config() -> Config {
    Settings::default().resolve().unwrap()
}

/// A site over the backend.
pub(crate) fn site(backend: TestBackend) -> Site<TestBackend> {
    Site::new(&config(), backend)
}

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

impl Backend for TestBackend {
    async fn execute(&self, mut request: Request) -> Result<Response, ExecuteError> {
        let command = request.commands[0].clone();
        match command.script.as_str() {
            "busy" => return Err(ExecuteError::Busy { retry_after: Duration::from_secs(2) }),
            "stopping" => return Err(ExecuteError::Stopping),
            "slow" => return Err(ExecuteError::Slow { step: "unpacking", limit: Duration::from_secs(1) }),
            "archive" => return Err(ExecuteError::Archive(Refusal::TooManyEntries(5))),
            "large" => return Err(ExecuteError::TooLargeToSave { max_bytes: 5 }),
            "gone" => return Err(ExecuteError::UnknownEnvironment(ENVIRONMENT.parse().unwrap())),
            "store" => return Err(ExecuteError::Store(StoreError::Stopped)),
            "panic" => panic!("as a test asked for"),
            "wait" => {
                self.waiting.add_permits(1);
                self.permits.acquire().await.unwrap().forget();
            }
            _ => {}
        }
        let variables: Vec<_> = request.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let base = request.base.map(|id| id.to_string()).unwrap_or_default();
        let mut upload = String::new();
        if let Some(file) = &mut request.upload {
            file.read_to_string(&mut upload).unwrap();
        }
        let stdout = format!(
            "{} ignore={} {} base={base} upload={upload} result={} save={} utf8={}\n",
            command.script,
            command.ignore_failure,
            variables.join(" "),
            request.result_path.unwrap_or_default(),
            request.save,
            request.stop_at_invalid_utf8,
        );
        let outcome = Outcome {
            end: End::Exited { code: 0 },
            limits_reached: Vec::new(),
            stdout: stdout.into_bytes(),
            stderr: Vec::new(),
            output_truncated: false,
            usage: belljar_sandbox::Usage::default(),
            layers: Vec::new(),
        };
        let time = Duration::from_millis(500);
        let execution = Execution { command: 0, limit: TimeLimit::Budget(10.0), time, outcome };
        Ok(Response { executions: vec![execution], total_time: Duration::from_secs(1), result: None, saved: None })
    }

    async fn environment(&self, id: &EnvironmentId) -> Result<Environment, ExecuteError> {
        if id.to_string() != ENVIRONMENT {
            return Err(ExecuteError::UnknownEnvironment(*id));
        }
        let created = jiff::Timestamp::UNIX_EPOCH;
        Ok(Environment { id: *id, blob: BlobId::from_digest([0; 32]), size: 7, created, expires: created })
    }

    async fn open_environment(&self, id: &EnvironmentId) -> Result<(Environment, File), ExecuteError> {
        Ok((self.environment(id).await?, file(b"archive")))
    }

    async fn member(&self, id: &EnvironmentId, path: &str) -> Result<Member, ExecuteError> {
        let size = self.member_size(id, path).await?;
        Ok(Member { size, content: Box::pin(&b"env1\n"[..]) })
    }

    async fn member_size(&self, id: &EnvironmentId, path: &str) -> Result<u64, ExecuteError> {
        self.environment(id).await?;
        match path {
            "dir/file1.txt" => Ok(5),
            _ => Err(ExecuteError::UnknownFile { environment: *id, path: path.to_owned() }),
        }
    }

    async fn spool(&self) -> Result<File, ExecuteError> {
        Ok(tempfile::tempfile().unwrap())
    }

    async fn libraries(&self) -> Result<Arc<Libraries>, ExecuteError> {
        let list = |name: &str, version: &str| [(name.to_owned(), version.to_owned())].into();
        Ok(Arc::new(Libraries {
            system: list("bash", "5.0-4"),
            python: list("sympy", "1.10.1"),
            perl: list("Carp", "1.50"),
            c: list("libz", "1"),
            executables: vec!["awk".to_owned(), "bash".to_owned()],
        }))
    }

    async fn specifications(&self) -> Result<Specifications, ExecuteError> {
        Ok(Specifications {
            host: HostSpecifications {
                physical_cores: None,
                logical_cpus: 2,
                min_frequency_mhz: 800.0,
                max_frequency_mhz: 3600.5,
                memory_bytes: 25_276_514_304,
                swap_bytes: 0,
                storage_bytes: [("/dev/vda".to_owned(), 270_553_174_016)].into(),
            },
            sandbox: SandboxSpecifications {
                count: 20,
                cpus: 1,
                cpu_period_us: 1000,
                cpu_quota_us: 0,
                cpu_shares: 1024,
                memory_bytes: 100_000_000,
                swap_bytes: 0,
                storage_bytes: 300_000_000,
                io_bytes_per_second: Some(1_000_000),
                processes: 64,
                work_directory_device: "tmpfs",
            },
        })
    }

    fn usage(&self) -> Usage {
        let disk = DiskRates { reads: 41, read_bytes: 1_060_864, writes: 2, written_bytes: 22_528 };
        Usage {
            host: HostUsage {
                cpu_frequency_mhz: 2596.144,
                cpu_busy: 0.0,
                load_per_cpu: [1.14, 0.895, 0.42],
                memory_bytes: 482_050_048,
                storage_bytes: [("/dev/vda".to_owned(), 19_417_128_960)].into(),
                disks: [("/dev/vda".to_owned(), disk)].into(),
                processes: 98,
                ..HostUsage::default()
            },
            sandboxes_taken: 2,
        }
    }

    fn limits(&self) -> BackendLimits {
        BackendLimits { cpu_time: None, upload_bytes: 1000 }
    }

    async fn gauges(&self) -> Gauges {
        Gauges { idle: 3, busy: 1, ..Gauges::default() }
    }

    fn ready(&self) -> Result<(), NotReady> {
        if self.ready { Ok(()) } else { Err(NotReady::Starting) }
    }
}
