//! One app: its queues, its lanes, and what runs it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::lane::{Lane, Lanes};
use super::metrics::{AppMetrics, Counted, Metrics, Outcome};
use super::recent::{Admitted, Identity, Open, Recent};
use super::{Deployment, QUEUES};
use crate::bus::{Delivery, Queue, Settle, SharedBus, Subscription};
use crate::config::App;
use crate::message::{DEFAULT_ENDPOINT, Kind, Message};
use crate::resource::Journal;

/// How long the end of an app may take once everything that it runs was told to end: its processes are killed, what is being settled
/// is not waited for any longer.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// Before the next message is taken, after the broker did not take a settlement.
const REFUSAL_PAUSE: Duration = Duration::from_millis(500);

/// A deployment and who still uses it.
#[derive(Debug)]
pub(super) struct Deployed {
    pub(super) deployment: Deployment,
    pub(super) users: TaskTracker,
}

/// A message that is to be worked on.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) queue: Queue,
    pub(super) message: Message,
    pub(super) sandbox_id: String,
    pub(super) identity: Identity,
    pub(super) open: Open,
    pub(super) redelivered: bool,
    pub(super) came: Instant,
    pub(super) waiting: Counted,
}

/// What all tasks of an app share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) bus: SharedBus,
    pub(super) metrics: AppMetrics,
    pub(super) journal: Arc<Journal>,
    current: RwLock<Arc<Deployed>>,
    lanes: Lanes<Job>,
    recent: [Recent; QUEUES.len()],
    /// Why attempts cannot be made at the moment.
    trouble: Mutex<Option<String>>,
    /// The broker did not take a settlement.
    refused: AtomicBool,
    /// No message is begun any more.
    pub(super) draining: CancellationToken,
    /// Whatever runs ends now.
    pub(super) ending: CancellationToken,
    tasks: TaskTracker,
}

/// An app that is served.
#[derive(Debug)]
pub(super) struct Consumer(Arc<Shared>);

impl Consumer {
    /// Starts to consume. That goes on until it is retired: a bus that is not there is waited for.
    pub(super) fn start(bus: SharedBus, metrics: &Arc<Metrics>, deployment: Deployment) -> Self {
        let shared = Arc::new(Shared {
            bus,
            metrics: AppMetrics::new(Arc::clone(metrics), &deployment.app.name),
            journal: Arc::new(Journal::new(deployment.app.name.clone())),
            current: RwLock::new(Arc::new(Deployed { deployment, users: TaskTracker::new() })),
            lanes: Lanes::default(),
            recent: Default::default(),
            trouble: Mutex::default(),
            refused: AtomicBool::new(false),
            draining: CancellationToken::new(),
            ending: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        for queue in QUEUES {
            shared.tasks.spawn(Arc::clone(&shared).consume(queue));
        }
        Self(shared)
    }

    /// Whether it can go on with this app instead, without consuming anew.
    pub(super) fn fits(&self, app: &App) -> bool {
        let current = self.0.current();
        let now = &current.deployment.app;
        QUEUES.into_iter().all(|queue| Subscription::of(now, queue) == Subscription::of(app, queue))
    }

    /// Goes on with another deployment; the old one is closed when nothing runs in it any more.
    pub(super) fn exchange(&self, deployment: Deployment) {
        let new = Arc::new(Deployed { deployment, users: TaskTracker::new() });
        let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, new);
        drop(current);
        self.0.set_trouble(None);
        self.0.tasks.spawn(close(old));
    }

    /// What keeps it from working.
    pub(super) fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its last log lines, over all of its deployments.
    pub(super) fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.0.journal)
    }

    /// Brings the gauges up to date.
    pub(super) async fn gauge(&self) {
        let current = self.0.current();
        self.0.metrics.memory(current.deployment.handler.memory());
        for queue in QUEUES {
            if let Some(messages) = self.0.bus.depth(&current.deployment.app.transport_name, queue).await {
                self.0.metrics.queued(queue, messages);
            }
        }
    }

    /// Begins no message any more; those that wait are left to come again.
    pub(super) fn drain(&self) {
        self.0.draining.cancel();
        for job in self.0.lanes.clear() {
            self.0.leave(&job);
        }
    }

    /// Ends: what runs has this long.
    pub(super) async fn retire(&self, patience: Duration) {
        self.drain();
        let deployed = self.0.current();
        deployed.users.close();
        self.0.tasks.close();
        if timeout(patience, self.0.tasks.wait()).await.is_err() {
            let (app, messages) = (&deployed.deployment.app.name, deployed.users.len());
            warn!(app, messages, "What did not end in time is killed; its messages come again.");
            self.0.ending.cancel();
        }
        let end = async {
            self.0.tasks.wait().await;
            close(deployed).await;
        };
        if timeout(KILL_PATIENCE, end).await.is_err() {
            warn!("Something of an app does not end; it is left behind.");
        }
        self.0.metrics.retire();
    }
}

/// Waits until nobody uses it, and closes it.
async fn close(deployed: Arc<Deployed>) {
    deployed.users.close();
    deployed.users.wait().await;
    deployed.deployment.handler.close().await;
}

impl Shared {
    /// What runs messages from now on.
    pub(super) fn current(&self) -> Arc<Deployed> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn recent(&self, queue: Queue) -> &Recent {
        match queue {
            Queue::Inbound => &self.recent[0],
            Queue::Event => &self.recent[1],
        }
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Not worked on: it comes again.
    fn leave(&self, job: &Job) {
        self.recent(job.queue).close(job.identity, &job.open, false);
        self.metrics.settled(Outcome::Left, job.came.elapsed());
    }

    /// Takes what a queue delivers, for as long as the app is served.
    async fn consume(self: Arc<Self>, queue: Queue) {
        let mut backoff = super::backoff();
        while !self.draining.is_cancelled() {
            let current = self.current();
            let app = &current.deployment.app;
            let consuming = async {
                let deliveries = self.bus.consume(Subscription::of(app, queue)).await;
                deliveries
                    .inspect_err(|error| warn!(app = app.name, ?queue, %error, "The queue cannot be consumed, yet."))
            };
            let deliveries = tokio::select! {
                deliveries = consuming => deliveries,
                () = self.draining.cancelled() => break,
            };
            drop(current);
            if let Ok(deliveries) = deliveries {
                backoff.reset();
                self.take_all(queue, deliveries).await;
            }
            tokio::select! {
                () = sleep(backoff.next()) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    async fn take_all(self: &Arc<Self>, queue: Queue, mut deliveries: mpsc::Receiver<Delivery>) {
        loop {
            if self.refused.swap(false, Ordering::Relaxed) {
                tokio::select! {
                    () = sleep(REFUSAL_PAUSE) => {}
                    () = self.draining.cancelled() => return,
                }
            }
            tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                delivery = deliveries.recv() => match delivery {
                    Some(delivery) => self.take(queue, delivery),
                    None => return,
                },
            }
        }
    }

    /// Finds out what to do with a delivery, and has it done.
    fn take(self: &Arc<Self>, queue: Queue, delivery: Delivery) {
        let came = Instant::now();
        self.metrics.received(queue);
        let current = self.current();
        let app = &current.deployment.app;
        let Delivery { body, redelivered, settle } = delivery;
        let kind = match queue {
            Queue::Inbound => Kind::UserMessage,
            Queue::Event => Kind::Event,
        };
        let message = match Message::parse(kind, &body) {
            Ok(message) => message,
            Err(reason) => return self.bury(settle, came, app, None, reason.to_string()),
        };
        let message_id = message.text(id_field(kind)).unwrap_or_default();
        if kind == Kind::UserMessage && message.endpoint() != DEFAULT_ENDPOINT {
            let endpoint = message.endpoint();
            warn!(app = app.name, message_id, endpoint, "No inbound handler for '{endpoint}': the message is dropped.");
            return self.acknowledge(settle, came, Outcome::Dropped);
        }
        let Some(sandbox_id) = app.sandbox_id.as_deref().or_else(|| message.text("sandbox_id")) else {
            let reason = "neither the message nor the app's configuration has a `sandbox_id`".to_owned();
            return self.bury(settle, came, app, Some(message_id), reason);
        };
        let sandbox_id = sandbox_id.to_owned();
        log_message(app, kind, &message);
        let identity = Identity::of(&body);
        let open = match self.recent(queue).admit(identity, redelivered, settle) {
            Admitted::New(open) => open,
            Admitted::Known => return,
            Admitted::Done(settle) => return self.acknowledge(settle, came, Outcome::Repeated),
        };
        let lane = Lane::of(&message);
        let waiting = self.metrics.waiting();
        let job = Job { queue, message, sandbox_id, identity, open, redelivered, came, waiting };
        if let Some(first) = self.lanes.enter(&lane, job) {
            self.tasks.spawn(Arc::clone(self).walk(lane, first));
        }
    }

    /// Works on what is in a lane, one after the other, until there is nothing.
    async fn walk(self: Arc<Self>, lane: Lane, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            if self.draining.is_cancelled() {
                self.leave(&job);
            } else {
                let (queue, identity, open) = (job.queue, job.identity, job.open.clone());
                // In a task of its own: should it panic, the lane goes on, and the message comes again.
                let worked = self.tasks.spawn(Arc::clone(&self).work(job)).await;
                if let Err(error) = worked {
                    error!(%error, "Working on a message ended with a fault of ours; it is left to come again.");
                    self.recent(queue).close(identity, &open, false);
                    self.note_refusal();
                }
            }
            next = self.lanes.next(&lane);
        }
    }

    fn acknowledge(self: &Arc<Self>, settle: Settle, came: Instant, outcome: Outcome) {
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            match settle.acknowledge().await {
                Ok(()) => shared.metrics.settled(outcome, came.elapsed()),
                Err(error) => info!(%error, "A message could not be acknowledged and comes again."),
            }
        });
    }

    /// What was not settled may come at once again, and must not keep everybody busy.
    pub(super) fn note_refusal(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Nobody can deal with it.
    fn bury(self: &Arc<Self>, settle: Settle, came: Instant, app: &App, message_id: Option<&str>, reason: String) {
        warn!(app = app.name, message_id, reason, "A message goes to the dead letters.");
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            match settle.bury(reason).await {
                Ok(()) => shared.metrics.settled(Outcome::DeadInvalid, came.elapsed()),
                Err(error) => {
                    warn!(%error, "A dead letter could not be written; the message comes again.");
                    shared.note_refusal();
                }
            }
        });
    }
}

/// The field with the number of a message.
pub(super) const fn id_field(kind: Kind) -> &'static str {
    match kind {
        Kind::UserMessage => "message_id",
        Kind::Event => "event_id",
    }
}

/// What Vumi's logging middleware does, where it was asked for.
fn log_message(app: &App, kind: Kind, message: &Message) {
    let Some(level) = &app.log_messages else { return };
    let kind = match kind {
        Kind::UserMessage => "inbound",
        Kind::Event => "event",
    };
    let (name, transport) = (&app.name, &app.transport_name);
    let body = String::from_utf8_lossy(&message.to_body()).into_owned();
    let text = format!("Processed {kind} message for {transport}: {body}");
    match level.as_str() {
        "debug" => tracing::debug!(app = name, "{text}"),
        "warning" | "warn" => tracing::warn!(app = name, "{text}"),
        "error" | "critical" => tracing::error!(app = name, "{text}"),
        _ => tracing::info!(app = name, "{text}"),
    }
}
