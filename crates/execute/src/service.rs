//! The job "run": sandboxes, saved environments and facts, behind one handle.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use belljar_egress::Rules;
use belljar_sandbox::agent::Refusal;
use belljar_sandbox::privileges::{Charter, Grant};
use belljar_sandbox::{AgentError, Launcher, Network, Policy, Pool, PoolSettings, PoolStatus, Sandbox, TakeError};
use belljar_store::{DataDirectory, Environment, EnvironmentId, Environments, StoreError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{ExecuteError, NotReady, StartError};
use crate::facts::{Machine, Sampler, Specifications, Usage, within_16_bits};
use crate::libraries::{Cache, Libraries, LibraryUpdate};
use crate::member::Member;
use crate::network::{self, Egress, Traffic};
use crate::policy::{self, Root, Surroundings};
use crate::tasks::{self, NoListing};
use crate::{Request, Response, Settings, run};

/// Runs requests. Copies share everything.
///
/// Its tasks live until [`Service::stop`], which has to be called inside the same runtime.
#[derive(Debug, Clone)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) pool: Pool,
    pub(crate) data: DataDirectory,
    pub(crate) environments: Environments,
    /// With an allow-list.
    egress: Option<Egress>,
    /// The directory shown at `/utils/libs`.
    pub(crate) libraries: PathBuf,
    pub(crate) machine: Machine,
    /// Nobody removes it while there are sandboxes.
    _root: Root,
    pub(crate) cpus: u32,
    pub(crate) sampler: Sampler,
    pub(crate) listing: Cache<Libraries, NoListing>,
    pub(crate) updates: Mutex<Vec<LibraryUpdate>>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// What a service will be, decided before it begins: so that who gives up privileges in between can do so knowing what is needed.
#[derive(Debug)]
pub struct Preparation {
    settings: Settings,
    libraries: PathBuf,
    machine: Machine,
    cpus: u32,
    policy: Policy,
    rules: Option<Rules>,
    root: Root,
}

impl Preparation {
    /// All that the service will ask of its launcher.
    #[must_use]
    pub fn charter(&self) -> Charter {
        let grant = Grant { policy: self.policy.clone(), reuse: self.settings.sandbox.reuse };
        // While one is made in the place of another, that one may still be ending.
        Charter { grants: vec![grant], sandboxes: self.settings.pool_size.saturating_mul(2).saturating_add(16) }
    }

    /// The directory shown at `/utils/libs`.
    #[must_use]
    pub fn libraries(&self) -> &Path {
        &self.libraries
    }

    /// Whether the service executes programs of the host itself: git, for external libraries.
    #[must_use]
    pub const fn executes_programs(&self) -> bool {
        !self.settings.libraries.external.is_empty()
    }

    /// Whether the service makes connections itself: for programs that may reach some hosts.
    #[must_use]
    pub const fn makes_connections(&self) -> bool {
        matches!(self.policy.network, Network::Bridged(_))
    }
}

impl Service {
    /// Looks at the machine and makes the directory of libraries. Needs no thread but this one.
    ///
    /// # Errors
    ///
    /// A setting makes no sense, or the directory of libraries or the root directory cannot be used.
    pub async fn prepare(data: &DataDirectory, settings: Settings) -> Result<Preparation, StartError> {
        settings.validate().map_err(StartError::Setting)?;
        let libraries = tasks::library_directory(data, &settings)?;
        let machine = Machine::this();
        let cpus = u32::try_from(machine.logical_cpus()).unwrap_or(u32::MAX);
        let root = Root::open(&settings.sandbox.rootfs, data.path());
        let root = root.map_err(|error| StartError::Rootfs(Box::new(error)))?;
        let surroundings = Surroundings::of_this_machine(libraries.clone(), cpus, &root).await;
        let mut policy = policy::policy(&settings, &surroundings);
        let rules = settings.network.rules().map_err(|error| StartError::Sandbox(Box::new(error)))?;
        network::apply(&settings.network, rules.as_ref(), &mut policy);
        Ok(Preparation { settings, libraries, machine, cpus, policy, rules, root })
    }

    /// Prepares and begins.
    ///
    /// # Errors
    ///
    /// Those of [`Service::prepare`] and [`Service::begin`].
    pub async fn start(launcher: &Launcher, data: DataDirectory, settings: Settings) -> Result<Self, StartError> {
        let preparation = Self::prepare(&data, settings).await?;
        Self::begin(launcher, data, preparation).await
    }

    /// Opens the store and begins to make sandboxes; does not wait for them. Inside a runtime, in which the background tasks
    /// run: removing expired environments, updating external libraries, sampling the machine's use.
    ///
    /// # Errors
    ///
    /// The store cannot be used, or no sandboxes can be made.
    pub async fn begin(launcher: &Launcher, data: DataDirectory, preparation: Preparation) -> Result<Self, StartError> {
        let Preparation { settings, libraries, machine, cpus, policy, rules, root } = preparation;
        let environments = Environments::open(&data).await.map_err(StartError::Store)?;
        let pool_settings = PoolSettings { size: settings.pool_size, reuse: settings.sandbox.reuse };
        let pool = Pool::new(launcher, policy, pool_settings).map_err(|error| StartError::Sandbox(Box::new(error)))?;
        let inner = Arc::new(Inner {
            listing: Cache::new(settings.libraries.listing_lifetime),
            settings,
            pool,
            data,
            environments,
            egress: rules.map(Egress::new),
            libraries,
            machine,
            _root: root,
            cpus,
            sampler: Sampler::default(),
            updates: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        tasks::spawn_all(&inner, &inner.tasks, &inner.stopping);
        Ok(Self(inner))
    }

    /// Stops the background tasks, waits for them, and closes the pool and the store. Requests must have ended, or fail.
    pub async fn stop(&self) {
        self.0.stopping.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.pool.close().await;
        self.0.environments.clone().close().await;
    }

    /// Carries out a request. When the returned future is dropped, everything that runs for it is killed.
    ///
    /// In this order: the base environment is looked up; a sandbox is taken; the clock starts; base and upload are unpacked, the
    /// commands run, the result is read; the clock stops; the working directory is saved. Nothing is stored that was not asked
    /// to be saved.
    ///
    /// # Errors
    ///
    /// What a program did is never an error; see [`ExecuteError`] for what is.
    pub async fn execute(&self, mut request: Request) -> Result<Response, ExecuteError> {
        if request.commands.is_empty() {
            return Err(ExecuteError::NoCommands);
        }
        let settings = &self.0.settings;
        let base = match request.base {
            // Opened before the wait for a sandbox: it may expire meanwhile.
            Some(id) => Some((id, self.open_environment(&id).await?.1)),
            None => None,
        };
        let mut sandbox = self.take().await?;

        let began = Instant::now();
        run::unpack(&mut sandbox, base, request.upload.take(), settings).await?;
        // Dropped before the sandbox, however this ends: its next user's connections are not for us.
        let gate = self.0.egress.as_ref().map(|egress| egress.gate(&sandbox)).transpose();
        let gate = gate.map_err(|source| ExecuteError::Io { step: "serving the sandbox's network", source })?;
        let executions = network::beside(gate, run::run_commands(&mut sandbox, &request, settings.timeout)).await?;
        if request.save || request.result_path.is_some() {
            // Nothing that still runs may change what is read or packed.
            let settled = sandbox.settle();
            run::within("ending what still runs", settings.archive_timeout, settled).await?.map_err(run::of_sandbox)?;
        }
        let result = match &request.result_path {
            Some(path) => Some(run::read_result(&mut sandbox, path, settings).await?),
            None => None,
        };
        let total_time = began.elapsed();

        let packed = match request.save {
            true => Some(run::pack(&mut sandbox, self.0.environments.blobs(), settings).await?),
            false => None,
        };
        // Back before the disk is waited for.
        drop(sandbox);
        let saved = match packed {
            Some(blob) => {
                let saved = self.0.environments.save(blob, settings.environment_lifetime).await;
                Some(saved.map_err(ExecuteError::Store)?)
            }
            None => None,
        };
        Ok(Response { executions, total_time, result, saved })
    }

    /// Looks up a saved environment.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::UnknownEnvironment`] when there is none, or it has expired; [`ExecuteError::Store`].
    pub async fn environment(&self, id: &EnvironmentId) -> Result<Environment, ExecuteError> {
        let found = self.0.environments.get(id).await.map_err(ExecuteError::Store)?;
        found.ok_or(ExecuteError::UnknownEnvironment(*id))
    }

    /// Looks up a saved environment and opens its archive, which stays readable when the environment expires.
    ///
    /// # Errors
    ///
    /// Those of [`Service::environment`].
    pub async fn open_environment(&self, id: &EnvironmentId) -> Result<(Environment, File), ExecuteError> {
        let environment = self.environment(id).await?;
        match self.0.environments.open_archive(&environment).await {
            Ok(archive) => Ok((environment, archive)),
            // Expired and swept since it was looked up.
            Err(StoreError::Missing { .. }) => Err(ExecuteError::UnknownEnvironment(*id)),
            Err(error) => Err(ExecuteError::Store(error)),
        }
    }

    /// Takes one file out of a saved environment, inside a sandbox: archives are written by strangers. `path` is compared with
    /// the archive's own names, letter by letter; links are followed inside the archive.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::UnknownFile`] for what is no readable file, [`ExecuteError::Busy`], and those of
    /// [`Service::environment`].
    pub async fn member(&self, id: &EnvironmentId, path: &str) -> Result<Member, ExecuteError> {
        let limit = self.0.settings.archive_timeout;
        let taken = async {
            let (size, content) = self.open_member(id, path).await?;
            Member::take(size, content, self.spool()).await
        };
        run::within("taking a file out of an environment", limit, taken).await?
    }

    /// The size in bytes of one file of a saved environment, for who does not want the file itself.
    ///
    /// # Errors
    ///
    /// Those of [`Service::member`].
    pub async fn member_size(&self, id: &EnvironmentId, path: &str) -> Result<u64, ExecuteError> {
        let limit = self.0.settings.archive_timeout;
        let opened = self.open_member(id, path);
        Ok(run::within("looking for a file in an environment", limit, opened).await??.0)
    }

    async fn open_member(
        &self,
        id: &EnvironmentId,
        path: &str,
    ) -> Result<(u64, belljar_sandbox::MemberReader), ExecuteError> {
        let unknown = || ExecuteError::UnknownFile { environment: *id, path: path.to_owned() };
        let (_, archive) = self.open_environment(id).await?;
        if !run::is_possible_path(path) {
            return Err(unknown());
        }
        let sandbox = self.take().await?;
        let limits = self.0.settings.saved_archive_limits();
        sandbox.member(archive.into(), path, limits).await.map_err(|error| match error {
            AgentError::Refused(Refusal::NotFound | Refusal::NotAFile | Refusal::PathOutside(_)) => unknown(),
            error => run::of_saved_archive(*id, error),
        })
    }

    /// Removes a saved environment before it expires.
    ///
    /// # Errors
    ///
    /// Those of [`Service::environment`].
    pub async fn remove_environment(&self, id: &EnvironmentId) -> Result<(), ExecuteError> {
        match self.0.environments.remove(id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ExecuteError::UnknownEnvironment(*id)),
            Err(error) => Err(ExecuteError::Store(error)),
        }
    }

    /// A new empty file without a name on the data directory's disk, for an upload or another body that is too large for the
    /// memory; gone when it is closed.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::Store`] when it cannot be made.
    pub async fn spool(&self) -> Result<File, ExecuteError> {
        let data = self.0.data.clone();
        match tokio::task::spawn_blocking(move || data.spool_file()).await {
            Ok(file) => file.map_err(ExecuteError::Store),
            // Making a file does not panic: the runtime is shutting down.
            Err(_) => Err(ExecuteError::Stopping),
        }
    }

    /// The software that programs find. Takes a second or so when it is first asked for, and is then at most
    /// `libraries.listing_lifetime` and one asking old.
    ///
    /// # Errors
    ///
    /// There was no sandbox to look in, or it failed.
    pub async fn libraries(&self) -> Result<Arc<Libraries>, ExecuteError> {
        let listed = self.0.stopping.run_until_cancelled(self.0.listing.get()).await;
        listed.ok_or(ExecuteError::Stopping)?.map_err(|failure| match &*failure {
            NoListing::Busy => self.busy(),
            NoListing::Failed(reason) => ExecuteError::Sandbox(reason.clone().into()),
        })
    }

    /// What became of the external libraries at their last update, in the order of the settings; empty before the first.
    #[must_use]
    pub fn library_updates(&self) -> Vec<LibraryUpdate> {
        self.0.updates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the machine and its sandboxes are.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::Stopping`].
    pub async fn specifications(&self) -> Result<Specifications, ExecuteError> {
        let machine = self.0.machine.clone();
        let host = tokio::task::spawn_blocking(move || machine.specifications());
        let host = host.await.map_err(|_| ExecuteError::Stopping)?;
        let sandbox = policy::specifications(self.0.pool.policy(), self.0.settings.pool_size, self.0.cpus);
        Ok(Specifications { host, sandbox })
    }

    /// How busy the machine is, at once.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let pool = self.0.pool.status();
        Usage { host: self.0.sampler.usage(), sandboxes_taken: within_16_bits(pool.size.saturating_sub(pool.idle)) }
    }

    /// The state of the sandboxes.
    #[must_use]
    pub fn pool(&self) -> PoolStatus {
        self.0.pool.status()
    }

    /// How many saved environments there are, and how many bytes their archives take on the disk.
    ///
    /// # Errors
    ///
    /// [`ExecuteError::Store`].
    pub async fn stored(&self) -> Result<(u64, u64), ExecuteError> {
        let environments = &self.0.environments;
        let counted = tokio::try_join!(environments.count(), environments.total_bytes());
        counted.map_err(ExecuteError::Store)
    }

    /// Whether requests can be served. External libraries are no condition: programs that need them say so themselves.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn ready(&self) -> Result<(), NotReady> {
        let pool = self.0.pool.status();
        if self.0.stopping.is_cancelled() {
            Err(NotReady::Stopping)
        } else if pool.idle + pool.busy > 0 {
            Ok(())
        } else if let Some(problem) = self.0.pool.problem() {
            Err(NotReady::NoSandboxes { problem })
        } else if pool.made > 0 {
            // All are being renewed at this moment.
            Ok(())
        } else {
            Err(NotReady::Starting)
        }
    }

    /// What sandboxes have reached of the network; absent without an allow-list.
    #[must_use]
    pub fn traffic(&self) -> Option<Traffic> {
        self.0.egress.as_ref().map(Egress::traffic)
    }

    /// What it was started with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    async fn take(&self) -> Result<Sandbox, ExecuteError> {
        if self.0.stopping.is_cancelled() {
            return Err(ExecuteError::Stopping);
        }
        self.0.pool.take(self.0.settings.wait_for_sandbox).await.map_err(|error| match error {
            TakeError::Busy => self.busy(),
            error => ExecuteError::Sandbox(Box::new(error)),
        })
    }

    /// Who waited in vain may as well wait as long again, and at least as long as short programs take.
    fn busy(&self) -> ExecuteError {
        ExecuteError::Busy { retry_after: self.0.settings.wait_for_sandbox.max(Duration::from_secs(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Servers run these on any thread. Compiles, or does not.
    #[expect(dead_code, reason = "only its types are checked")]
    fn futures_can_move_between_threads(service: &Service, id: &EnvironmentId, request: Request) {
        fn check<T: Send>(_: T) {}
        check(service.execute(request));
        check(service.open_environment(id));
        check(service.member(id, ""));
        check(service.member_size(id, ""));
        check(service.libraries());
        check(service.specifications());
        check(service.stop());
    }
}
