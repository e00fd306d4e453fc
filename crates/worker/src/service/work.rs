//! One message, from its first attempt until it is settled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::{Instrument, debug, error, info, info_span, warn};

use super::Verdict;
use super::consumer::{Job, Shared, id_field};
use super::metrics::Outcome;
use super::outbox::{Outbox, Publisher};
use crate::bus::{Destination, SharedBus};
use crate::message::Kind;
use crate::resource::Log;
use crate::run::RunContext;

/// Attempts that a message gets.
const ATTEMPTS: u32 = 2;

/// Runs of a message that may break in our hands before it counts as the message's fault. An app that finds a way to break its sandbox
/// must not do so for ever.
const INTERRUPTIONS: u32 = 5;

/// What all attempts at a message came to.
enum End {
    Done,
    Dead(String),
    /// Told to end before it was clear.
    Open,
}

impl Shared {
    /// Works on a message. It is settled, or left to come again.
    pub(super) async fn work(self: Arc<Self>, job: Job) {
        let current = self.current();
        let app = &current.deployment.app.name;
        let message = &job.message;
        let message_id = message.text(id_field(message.kind())).unwrap_or_default();
        let sandbox_id = &job.sandbox_id;
        // An event's is the message that it is about: it names no user.
        let span = match message.kind() {
            Kind::UserMessage => {
                info_span!("message", app, sandbox_id, message_id, user = message.text("from_addr"))
            }
            Kind::Event => {
                info_span!("event", app, sandbox_id, message_id, about = message.text("user_message_id"))
            }
        };
        drop(current);
        self.settle(job).instrument(span).await;
    }

    async fn settle(self: Arc<Self>, mut job: Job) {
        job.waiting.end();
        let running = self.metrics.running();
        let end = tokio::select! {
            end = self.attempts(&job) => end,
            () = self.ending.cancelled() => End::Open,
        };
        drop(running);
        let mut outcome = match &end {
            End::Done => Outcome::Done,
            End::Dead(_) => Outcome::DeadFailed,
            End::Open => Outcome::Left,
        };
        // The connection may break meanwhile: then the message comes again, and its second delivery is settled.
        let mut settled = matches!(end, End::Open);
        let mut remember = false;
        let recent = self.recent(job.queue);
        loop {
            if let (Some(settle), false) = (job.open.take(), matches!(end, End::Open)) {
                let result = match &end {
                    End::Dead(reason) if !settled => settle.bury(reason.clone()).await,
                    _ => settle.acknowledge().await,
                };
                // A run that is done is done, acknowledged or not; a dead letter has to be there.
                remember = remember || result.is_ok() || matches!(end, End::Done);
                match result {
                    Ok(()) => settled = true,
                    Err(error) => {
                        info!(%error, "A message could not be settled and comes again.");
                        self.note_refusal();
                    }
                }
            }
            recent.close(job.identity, &job.open, remember);
            if !job.open.is_waiting() || matches!(end, End::Open) {
                break;
            }
        }
        if !settled {
            outcome = Outcome::Left;
        }
        self.metrics.settled(outcome, job.came.elapsed());
    }

    async fn attempts(&self, job: &Job) -> End {
        let message = &job.message;
        let mut backoff = super::backoff();
        let mut failures = u32::from(job.redelivered);
        let mut interruptions = 0;
        let metrics = self.metrics.clone();
        let outbox = Outbox::new(Arc::clone(&self.bus), move |destination| {
            if matches!(destination, Destination::Outbound { .. }) {
                metrics.published();
            }
        });
        loop {
            // Anew for each attempt: the app may have been exchanged for one that works.
            let current = self.current();
            let _user = current.users.token();
            let app = &current.deployment.app;
            let bus: SharedBus = Arc::new(Publisher(Arc::clone(&outbox)));
            let message_id = message.text(id_field(message.kind())).map(str::to_owned);
            let log = Log::new(&self.journal, job.sandbox_id.clone(), message_id);
            outbox.begin_attempt();
            let context = RunContext::new(log, app.transport_name.clone(), app.profile, bus, message);
            let began = Instant::now();
            let verdict = current.deployment.handler.attempt(context, message).await;
            let duration = began.elapsed();
            match verdict {
                Verdict::Done => {
                    self.metrics.attempted(duration);
                    self.set_trouble(None);
                    debug!(seconds = duration.as_secs_f64(), "The app is done with the message.");
                    return End::Done;
                }
                Verdict::Failed(reason) => {
                    self.metrics.attempted(duration);
                    self.metrics.failed();
                    self.set_trouble(None);
                    failures += 1;
                    let seconds = duration.as_secs_f64();
                    if failures >= ATTEMPTS {
                        error!(seconds, reason, "The app failed again: the message goes to the dead letters.");
                        return End::Dead(reason);
                    }
                    if self.draining.is_cancelled() {
                        return End::Open;
                    }
                    warn!(seconds, reason, "The app failed: the message is given to it once more.");
                    self.metrics.retried();
                }
                Verdict::Interrupted(reason) => {
                    self.metrics.unavailable();
                    interruptions += 1;
                    if interruptions >= INTERRUPTIONS {
                        error!(reason, "The app's sandbox broke each time: the message goes to the dead letters.");
                        return End::Dead(reason);
                    }
                    let pause = backoff.next();
                    warn!(reason, again_in = ?pause, "The app's sandbox broke.");
                    if self.told_to_end_within(pause).await {
                        return End::Open;
                    }
                }
                Verdict::Unavailable(reason) => {
                    self.metrics.unavailable();
                    let pause = backoff.next();
                    warn!(reason, again_in = ?pause, "The app cannot be run, which is not its fault.");
                    self.set_trouble(Some(reason));
                    if self.told_to_end_within(pause).await {
                        return End::Open;
                    }
                }
            }
        }
    }

    /// Waits, unless no message is to be begun any more.
    async fn told_to_end_within(&self, pause: Duration) -> bool {
        tokio::select! {
            () = sleep(pause) => false,
            () = self.draining.cancelled() => true,
        }
    }
}
