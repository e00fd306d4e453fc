//! `belljar serve`: the execution service over HTTP.
//!
//! The order matters: everything that takes root comes first, in a process with a single thread, and is given up before the first
//! stranger is heard. Configuration, keys and certificates are read; the launcher, which makes the sandboxes, is started before any
//! thread exists; the address is bound; root's server becomes somebody else; then come the runtime, the store and the sandboxes; ready is
//! told last.

mod account;
pub(crate) mod descriptors;
pub(crate) mod logging;
pub(crate) mod notify;
mod outlook;
mod privileges;
pub(crate) mod signals;

pub(crate) use outlook::{Outlook, outlook};

use std::env;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;

use anyhow::{Context, anyhow};
use belljar_execute::Service;
use belljar_server::Config;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::args::ServeArgs;
use crate::config;
use crate::exit::ExitCode;
use crate::failure::{Failure, print};

use self::account::Choice;
use self::notify::Supervisor;
use self::privileges::Ready;
use self::signals::StopSignals;

/// Connections that wait to be accepted, at most; the kernel lowers it to what `net.core.somaxconn` says.
const BACKLOG: i32 = 1024;

/// Serves until a signal says otherwise.
///
/// # Errors
///
/// The configuration cannot be used, or something that serving needs cannot be had.
pub(crate) fn serve(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let limit = descriptors::raise_limit();
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
    // Inherited by the threads: they hand work on and wait, while programs keep the CPUs busy.
    belljar_sandbox::take_short_turns(true);
    let choice = account::choose(settings.server.user.as_deref())?;
    let supervisor = Supervisor::connect();
    let listener = listen(settings.server.listen)?;
    let encrypted = settings.server.tls.is_some();
    let ready = match choice {
        Choice::Become(account) => privileges::give_up(&account, &settings.data_dir, settings.execute)?,
        Choice::Root | Choice::Unprivileged => privileges::keep(&settings.data_dir, settings.execute)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let code = runtime.block_on(operate(ready, config, listener, encrypted, &supervisor));
    // Whatever still runs had its time: nothing that blocks may keep the process.
    runtime.shutdown_background();
    code
}

fn no_sandboxes(error: anyhow::Error) -> Failure {
    Failure::new(ExitCode::SetupFailed, error).hint("`belljar doctor` tells what is missing")
}

/// Listens, before there is a runtime: what is bound now may be bound by root only.
fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        Ok::<_, std::io::Error>(listener)
    };
    listen().with_context(|| format!("cannot listen on {address}")).map_err(Failure::from)
}

async fn operate(
    ready: Ready,
    config: Config,
    listener: TcpListener,
    encrypted: bool,
    supervisor: &Supervisor,
) -> Result<ExitCode, Failure> {
    let mut stop = StopSignals::listen()?;
    let Ready { launcher, data, preparation } = ready;
    let address = listener.local_addr().context("cannot tell the address that is listened on")?;
    let listener = tokio::net::TcpListener::from_std(listener).context("cannot listen")?;
    let service = Service::begin(&launcher, data, preparation).await.context("cannot start").map_err(no_sandboxes)?;

    let (stop_serving, stopped) = oneshot::channel::<()>();
    let until = async {
        // A sender that is gone means the same.
        let _ = stopped.await;
    };
    let mut serving = pin!(belljar_server::run(vec![listener], config, service.clone(), until));
    announce(address, encrypted)?;
    supervisor.tell(notify::READY);
    let signal = tokio::select! {
        signal = stop.next() => signal,
        () = &mut serving => return Err(anyhow!("the server ended by itself").into()),
        () = launcher.lost() => {
            let error = anyhow!("the process that keeps the launcher is gone, and only root can start another");
            return Err(error.into());
        }
    };
    info!(signal = signal.name, "Stopping: what runs may end. A second signal stops at once.");
    supervisor.tell(notify::STOPPING);
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
