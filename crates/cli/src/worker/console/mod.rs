//! `belljar worker --console`: one talks to an app on a terminal, or a script does.
//!
//! Everything is as it is with RabbitMQ, lanes, second attempts and dead letters included, but the bus, which is in this process. A line
//! is sent when the one before has been dealt with. What the app says to its users goes to standard output, all else to standard error.

mod input;
mod people;
mod terminal;

use std::sync::Arc;
use std::time::Duration;

use belljar_worker::bus::local::LocalBus;
use belljar_worker::bus::{Destination, Queue, SharedBus};
use belljar_worker::resource::Journal;
use belljar_worker::service::{Chosen, Metrics, Plan, Service};
use serde_json::{Value, json};

use self::input::{HELP, Input};
use self::people::{People, Session};
use self::terminal::{Lines, Talk};
use super::start::Prepared;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::serve::signals::StopSignals;

/// How long what runs may still take when one leaves: nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// A conversation.
struct Conversation<'a> {
    bus: &'a LocalBus,
    talk: Talk,
    people: People,
    transport_name: String,
    journal: Option<Arc<Journal>>,
    /// The last log line that was shown.
    shown: u64,
    /// A message was not dealt with.
    failed: bool,
}

/// Talks until one leaves. Fails when the app failed and nobody was there to see it: a script wants to know.
///
/// # Errors
/// Standard output cannot be written to, or signals not be had.
pub(super) async fn talk(prepared: Prepared, json: bool) -> Result<ExitCode, Failure> {
    let mut stop = StopSignals::listen()?;
    let Prepared { deployment, engine } = prepared;
    let (name, transport_name) = (deployment.app.name.clone(), deployment.app.transport_name.clone());
    let bus = LocalBus::new();
    let shared: SharedBus = Arc::new(bus.clone());
    let service = Service::new(shared, Arc::new(Metrics::default()));
    service.deploy(vec![Plan::Serve(Box::new(deployment))], PATIENCE).await;

    let mut conversation = Conversation {
        bus: &bus,
        talk: Talk::new(json),
        people: People::new(&transport_name),
        transport_name,
        journal: service.journal(&name),
        shown: 0,
        failed: false,
    };
    let talk = &conversation.talk;
    let user = &conversation.people.current;
    talk.note(format_args!("You talk to {name} ({engine}) as {user}."));
    if let Chosen::Node { because: Some(why) } = &engine {
        let why = why.lines().next().unwrap_or_default();
        talk.note(format_args!("It does not load on QuickJS: {}", terminal::harmless(why)));
    }
    talk.note("Type a message and press Enter to begin; /help shows what else you can do.");
    let mut lines = Lines::of_standard_input();
    let ended = tokio::select! {
        ended = conversation.hold(&mut lines) => ended,
        _ = stop.next() => Ok(()),
    };
    service.stop(PATIENCE).await;
    ended?;
    Ok(if conversation.failed && !terminal::is_typed() { ExitCode::Failure } else { ExitCode::Success })
}

impl Conversation<'_> {
    async fn hold(&mut self, lines: &mut Lines) -> Result<(), Failure> {
        loop {
            self.talk.prompt(&self.people.current);
            let line = tokio::select! {
                line = lines.next() => line,
                // Somebody else's answer may come late.
                published = self.bus.published() => {
                    self.talk.interrupt();
                    self.hear(&published.destination, &published.body)?;
                    continue;
                }
            };
            let Some(line) = line? else {
                self.talk.end();
                return Ok(());
            };
            match Input::parse(&line) {
                Input::Say(text) => {
                    let session = if self.people.in_session() { Session::Resume } else { Session::New };
                    self.say(session, Some(&text)).await?;
                }
                Input::New(text) => self.say(Session::New, text.as_deref()).await?,
                Input::Close if self.people.in_session() => self.say(Session::Close, None).await?,
                Input::Close => self.talk.note("There is no session."),
                Input::User(address) => {
                    self.talk.note(format_args!("You are {} now.", terminal::harmless(&address)));
                    self.people.current = address;
                }
                Input::Help => self.talk.note(HELP),
                Input::Quit => return Ok(()),
                Input::Wrong(why) => self.talk.note(why),
            }
        }
    }

    /// Sends a message, and hears what there is to hear until the app is through with it.
    async fn say(&mut self, session: Session, content: Option<&str>) -> Result<(), Failure> {
        let body = self.people.say(session, content).to_string();
        self.bus.inject(&self.transport_name, Queue::Inbound, body.clone()).await;
        let mut written = self.journal.as_ref().map(|journal| journal.written());
        loop {
            let more = async {
                match &mut written {
                    Some(written) => drop(written.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                published = self.bus.published() => self.hear(&published.destination, &published.body)?,
                () = more => self.show_log(),
                () = self.bus.idle() => break,
            }
        }
        while let Some(published) = self.bus.published_already() {
            self.hear(&published.destination, &published.body)?;
        }
        self.show_log();
        let dead = self.bus.dead_letters().into_iter().rev().find(|letter| letter.body == body);
        if let Some(letter) = dead {
            self.failed = true;
            if self.talk.json {
                self.talk.line(&json!({"dead_letter": letter.reason}).to_string())?;
            }
            self.talk
                .note(format_args!("The app failed twice, and nobody answers: {}", terminal::harmless(&letter.reason)));
        }
        Ok(())
    }

    /// What the app sent.
    fn hear(&mut self, destination: &Destination, body: &[u8]) -> Result<(), Failure> {
        let Destination::Outbound { .. } = destination else { return Ok(()) };
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let heard = self.people.hear(&message);
        if self.talk.json {
            self.talk.line(&message.to_string())?;
        } else {
            let to = heard.to.map(|to| format!("(to {}) ", terminal::harmless(&to))).unwrap_or_default();
            let content = heard.content.unwrap_or_default();
            self.talk.line(&format!("{to}{}", terminal::harmless(&content)))?;
        }
        if heard.ended {
            self.talk.note("The app has ended the session. Type anything to begin another.");
        }
        Ok(())
    }

    /// What it wrote into its log.
    fn show_log(&mut self) {
        let Some(journal) = &self.journal else { return };
        for line in journal.after(self.shown) {
            self.shown = line.number;
            self.talk.log(line.level, &line.text);
        }
    }
}
