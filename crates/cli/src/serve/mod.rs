//! `belljar serve`: the execution service over HTTP.
//!
//! The order matters: the launcher, which makes the sandboxes, is started before any thread exists; then come the configuration,
//! the runtime, the store, the sandboxes and the listener; ready is told last.

mod descriptors;
mod logging;
mod notify;

use std::env;
use std::net::SocketAddr;
use std::pin::pin;

use anyhow::{Context, anyhow};
use belljar_execute::Service;
use belljar_sandbox::Launcher;
use belljar_server::Config;
use belljar_store::DataDirectory;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::args::ServeArgs;
use crate::config::{self, Settings};
use crate::exit::ExitCode;
use crate::failure::{Failure, print};

/// Serves until a signal says otherwise.
///
/// # Errors
///
/// The configuration cannot be used, or something that serving needs cannot be had.
pub(crate) fn serve(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let limit = descriptors::raise_limit();
    let launcher = Launcher::start().context("cannot start the launcher").map_err(no_sandboxes)?;
    let mut settings = config::load(&args.sources, env::vars_os())?.settings;
    let wanted = settings.server.max_connections;
    settings.server.max_connections = descriptors::connections_within(limit, &settings);
    let config = settings.server.resolve().map_err(Failure::usage)?;
    logging::start(&settings.log);
    if settings.server.max_connections < wanted {
        let connections = settings.server.max_connections;
        warn!(
            limit,
            connections,
            wanted,
            "Fewer connections are served at a time than are set: raise LimitNOFILE= or `ulimit -n`."
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let code = runtime.block_on(operate(&launcher, settings, config));
    // Whatever still runs had its time: nothing that blocks may keep the process.
    runtime.shutdown_background();
    code
}

fn no_sandboxes(error: anyhow::Error) -> Failure {
    Failure::new(ExitCode::SetupFailed, error).hint("`belljar doctor` tells what is missing")
}

async fn operate(launcher: &Launcher, settings: Settings, config: Config) -> Result<ExitCode, Failure> {
    let mut stop = StopSignals::listen()?;
    let data = DataDirectory::open(&settings.data_dir).context("cannot use the data directory")?;
    let listen = settings.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr().context("cannot tell the address that is listened on")?;
    let service =
        Service::start(launcher, data, settings.execute).await.context("cannot start").map_err(no_sandboxes)?;

    let (stop_serving, stopped) = oneshot::channel::<()>();
    let until = async {
        // A sender that is gone means the same.
        let _ = stopped.await;
    };
    let mut serving = pin!(belljar_server::run(vec![listener], config, service.clone(), until));
    announce(address, settings.server.tls.is_some())?;
    tell_supervisor(notify::READY);
    let signal = tokio::select! {
        signal = stop.next() => signal,
        () = &mut serving => return Err(anyhow!("the server ended by itself").into()),
    };
    info!(signal = signal.name, "Stopping: what runs may end. A second signal stops at once.");
    tell_supervisor(notify::STOPPING);
    drop(stop_serving);
    let graceful = async {
        serving.await;
        service.stop().await;
    };
    tokio::select! {
        () = graceful => {
            info!("Stopped.");
            Ok(ExitCode::Success)
        }
        signal = stop.next() => {
            warn!(signal = signal.name, "Stopped at once: what ran is killed.");
            Ok(ExitCode::Signal(signal.number))
        }
    }
}

/// One line with what a first visitor needs, for people, and with the port for programs that asked for any.
fn announce(address: SocketAddr, encrypted: bool) -> Result<(), Failure> {
    let scheme = if encrypted { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    info!(url, "Ready.");
    print(format!(
        "belljar is ready at {url}; try: curl {url}/execute/ -d 'config={{\"commands\":[\"echo hello\"]}}'\n"
    ))
}

/// Tells systemd, if it started us and wants to know.
fn tell_supervisor(state: &str) {
    if let Some(socket) = env::var_os("NOTIFY_SOCKET")
        && let Err(error) = notify::notify(&socket, state)
    {
        warn!(%error, state, "The supervisor could not be told.");
    }
}

/// The signals that end a service.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// A signal that arrived.
struct Arrived {
    name: &'static str,
    number: u8,
}

impl StopSignals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Arrived {
        tokio::select! {
            _ = self.terminate.recv() => Arrived { name: "SIGTERM", number: 15 },
            _ = self.interrupt.recv() => Arrived { name: "SIGINT", number: 2 },
        }
    }
}
