//! Serving messages until a signal says otherwise.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use belljar_server::operations::{self, Watched};
use belljar_worker::bus::SharedBus;
use belljar_worker::bus::amqp::AmqpBus;
use belljar_worker::config::{self, Broker, Loaded, Sources, Worker};
use belljar_worker::heartbeat;
use belljar_worker::service::{Metrics, Plan, Service};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::start::{Prepared, Workshop};
use super::watch::Watch;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::serve::notify::{self, Supervisor};
use crate::serve::signals::StopSignals;

/// How long the end may take once everything is settled: a broker that is gone confirms nothing, heartbeats for one.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A running worker.
struct Operation {
    service: Service,
    workshop: Workshop,
    sources: Sources,
    loaded: Loaded,
    bus: SharedBus,
    beating: JoinSet<()>,
}

/// What may be asked over HTTP.
struct Asked(Service);

impl Watched for Asked {
    async fn ready(&self) -> Result<(), String> {
        self.0.ready()
    }

    async fn metrics(&self) -> String {
        self.0.print_metrics().await
    }
}

/// Serves.
///
/// # Errors
/// An app cannot be served, or something that serving needs cannot be had.
pub(super) async fn operate(
    workshop: Workshop,
    metrics: Metrics,
    sources: Sources,
    loaded: Loaded,
    supervisor: &Supervisor,
) -> Result<ExitCode, Failure> {
    let mut stop = StopSignals::listen()?;
    let mut hang_up = signal(SignalKind::hangup()).context("cannot wait for signals")?;
    let worker = &loaded.worker;
    let listener = match worker.operations {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let patience = worker.drain_timeout;
    let bus: SharedBus = Arc::new(AmqpBus::begin(&worker.broker));
    let service = Service::new(Arc::clone(&bus), Arc::new(metrics));
    let mut plans = Vec::new();
    for app in &worker.apps {
        let prepared = workshop.prepare(app.clone()).await?;
        announce(&prepared);
        plans.push(Plan::Serve(Box::new(prepared.deployment)));
    }
    let apps = plans.len();
    service.deploy(plans, patience).await;
    let mut operation = Operation { service, workshop, sources, loaded, bus, beating: JoinSet::new() };
    operation.beat();
    let (stop_answering, until) = oneshot::channel::<()>();
    let answering = listener.map(|listener| {
        let until = async { drop(until.await) };
        tokio::spawn(operations::watch(listener, Asked(operation.service.clone()), until))
    });
    info!(apps, broker = address_of(&operation.loaded.worker.broker), "Serving.");
    supervisor.tell(notify::READY);

    let mut watch = Watch::default();
    watch.begin(operation.files());
    let signal = loop {
        tokio::select! {
            signal = stop.next() => break signal,
            _ = hang_up.recv() => {
                info!("SIGHUP: everything is loaded anew.");
                operation.reload(true).await;
            }
            file = watch.changed() => {
                info!(file = %file.display(), "The configuration has changed.");
                operation.reload(false).await;
            }
        }
        watch.begin(operation.files());
    };
    info!(signal = signal.name, "Stopping: what is being worked on may end. A second signal stops at once.");
    supervisor.tell(notify::STOPPING);
    let graceful = async {
        operation.service.stop(patience).await;
        operation.beating.shutdown().await;
        if timeout(CLOSE_PATIENCE, operation.bus.close()).await.is_err() {
            warn!("The broker did not confirm in time what was published last.");
        }
    };
    let code = tokio::select! {
        () = graceful => {
            info!("Stopped.");
            ExitCode::Success
        }
        signal = stop.next() => {
            warn!(signal = signal.name, "Stopped at once: what ran is killed, its messages come again.");
            ExitCode::Signal(signal.number)
        }
    };
    drop(stop_answering);
    if let Some(answering) = answering {
        // It ends as soon as it is told to; a panic in it is in the log.
        let _ = answering.await;
    }
    Ok(code)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address} (worker.operations)"))?;
    if let Ok(address) = listener.local_addr() {
        info!(url = format!("http://{address}"), "Health and metrics are told.");
    }
    Ok(listener)
}

/// A line for each app.
fn announce(Prepared { deployment, engine }: &Prepared) {
    let app = &deployment.app;
    let queue = |of: &str| format!("{}.{of}", app.transport_name);
    let dead_letters = app.dead_letter_queue.clone().unwrap_or_else(|| queue("dead"));
    info!(
        app = app.name,
        engine = engine.to_string(),
        inbound = queue("inbound"),
        event = queue("event"),
        outbound = queue("outbound"),
        dead_letters,
        prefetch = app.prefetch,
        resources = app.resources.keys().map(String::as_str).collect::<Vec<_>>().join(" "),
        "The app is ready."
    );
}

/// Without the password.
fn address_of(broker: &Broker) -> String {
    let Broker { host, port, username, vhost, .. } = broker;
    format!("amqp://{username}@{host}:{port}{}{vhost}", if vhost.starts_with('/') { "" } else { "/" })
}

impl Operation {
    /// The files that the configuration was read from.
    fn files(&self) -> BTreeSet<PathBuf> {
        let named = [&self.sources.config, &self.sources.vumi_config].into_iter().flatten().cloned();
        let read = self.loaded.origins.values().filter_map(|place| place.file()).map(ToOwned::to_owned);
        named.chain(read).collect()
    }

    /// Reads the configuration anew. Apps that changed, or all, are loaded anew; what cannot be used is left as it was.
    async fn reload(&mut self, all: bool) {
        let loaded = match config::load(&self.sources) {
            Ok(loaded) => loaded,
            Err(problems) => {
                for problem in &problems.errors {
                    error!(hint = problem.hint, "{problem}");
                }
                error!("The new configuration cannot be used: the old one stays.");
                return;
            }
        };
        for warning in &loaded.warnings {
            warn!(hint = warning.hint, "{warning}");
        }
        let old = &self.loaded.worker;
        if of_process(&loaded.worker) != of_process(old) {
            warn!("What is not about an app takes effect when the worker is started again.");
        }
        let mut plans = Vec::new();
        let mut served = Vec::new();
        for app in &loaded.worker.apps {
            let known = old.apps.iter().find(|known| known.name == app.name);
            if known == Some(app) && !all {
                plans.push(Plan::Keep(app.name.clone()));
                served.push(app.clone());
                continue;
            }
            match self.workshop.prepare(app.clone()).await {
                Ok(prepared) => {
                    announce(&prepared);
                    plans.push(Plan::Serve(Box::new(prepared.deployment)));
                    served.push(app.clone());
                }
                Err(failure) => {
                    let reason = failure.reason();
                    match known {
                        Some(known) => {
                            error!(app = app.name, reason, "The app cannot be loaded: it goes on as it was.");
                            plans.push(Plan::Keep(app.name.clone()));
                            served.push(known.clone());
                        }
                        None => error!(app = app.name, reason, "The new app cannot be loaded: it is not served."),
                    }
                }
            }
        }
        self.service.deploy(plans, old.drain_timeout).await;
        self.loaded = loaded;
        self.loaded.worker.apps = served;
        self.beat();
    }

    /// Signs of life of those that have a name for them.
    fn beat(&mut self) {
        self.beating.abort_all();
        self.beating = JoinSet::new();
        let worker = &self.loaded.worker;
        for name in worker.apps.iter().filter_map(|app| app.worker_name.clone()) {
            let (bus, system_id) = (Arc::clone(&self.bus), worker.system_id.clone());
            self.beating.spawn(async move { heartbeat::beat(bus, &system_id, &name).await });
        }
    }
}

/// What is set once for the whole process.
fn of_process(worker: &Worker) -> Worker {
    Worker { apps: Vec::new(), ..worker.clone() }
}
