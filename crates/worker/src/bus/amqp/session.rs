//! Connections to the broker, made again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, Event};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::error::{disconnected, explain};
use crate::bus::BusError;
use crate::bus::backoff::Backoff;
use crate::config::Broker;

/// How often the broker and we say that we are there, in seconds. Twice as long in silence, and the connection is lost: a broker that
/// vanished without a word is noticed, and no firewall forgets a connection on which nothing happens.
const HEARTBEAT: u16 = 20;

/// For a connection to be made, and for the broker to answer any question.
const ANSWER: Duration = Duration::from_secs(30);

/// Pauses between attempts to connect.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// A connection that has lasted this long was a success: the next attempt comes soon.
const LASTING: Duration = Duration::from_secs(10);

/// Attempts to open a channel.
const CHANNEL_ATTEMPTS: u32 = 5;

/// How often a connection is looked at, besides waiting for its events.
const LOOK: Duration = Duration::from_millis(500);

/// A connection that was made, and may be lost by now.
#[derive(Debug)]
pub(super) struct Session {
    connection: Connection,
    lost: CancellationToken,
}

/// Whether there is a connection.
#[derive(Debug, Clone)]
enum Link {
    Down(String),
    Up(Arc<Session>),
}

/// Gives the connection there is, or waits for one.
#[derive(Debug, Clone)]
pub(super) struct Links(watch::Receiver<Link>);

impl Session {
    /// When the connection is lost.
    pub(super) fn lost(&self) -> impl Future<Output = ()> + '_ {
        self.lost.cancelled()
    }

    /// Whether it is lost.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Asks the broker for something. A broker that does not answer has no more of our time: the connection is given up.
    pub(super) async fn ask<T>(
        &self,
        what: &str,
        asked: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, BusError> {
        match timeout(ANSWER, self.wait(what, asked)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.lost.cancel();
                Err(disconnected(format!("{what}: no answer within {ANSWER:?}")))
            }
        }
    }

    /// Waits for something for as long as there is a connection: its heartbeats tell whether there is.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        awaited: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, BusError> {
        tokio::select! {
            result = awaited => result.map_err(|error| explain(what, &error)),
            () = self.lost() => Err(disconnected("the connection was lost")),
        }
    }

    /// A channel of its own.
    pub(super) async fn channel(&self) -> Result<Channel, BusError> {
        let mut attempts = 1;
        loop {
            let opened = async { Ok(self.connection.create_channel().await) };
            match self.ask("opening a channel", opened).await? {
                Ok(channel) => return Ok(channel),
                // No such error belongs to a new channel: it is that of one that was closed a moment ago and had the same number.
                Err(error) if error.is_amqp_soft_error() && attempts < CHANNEL_ATTEMPTS => attempts += 1,
                Err(error) => return Err(explain("opening a channel", &error)),
            }
        }
    }
}

impl Links {
    /// Begins to make connections to a broker, until the token says that it is enough.
    pub(super) fn begin(broker: &Broker, purpose: &'static str, closed: CancellationToken) -> Self {
        let (sender, receiver) = watch::channel(Link::Down("it is being made".to_owned()));
        let uri = uri(broker);
        let supervisor = Supervisor { uri, purpose, place: place(broker), links: sender };
        tokio::spawn(async move { supervisor.run(closed).await });
        Self(receiver)
    }

    /// The connection, once there is one.
    pub(super) async fn session(&mut self) -> Arc<Session> {
        loop {
            if let Link::Up(session) = &*self.0.borrow_and_update()
                && !session.is_lost()
            {
                return Arc::clone(session);
            }
            if self.0.changed().await.is_err() {
                // The supervisor has ended, with everything.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The connection, if there is one now; else why there is none.
    pub(super) fn now(&self) -> Result<Arc<Session>, String> {
        match &*self.0.borrow() {
            Link::Up(session) if session.is_lost() => Err("the connection was lost".to_owned()),
            Link::Up(session) if session.connection.status().blocked() => {
                Err("the broker takes no messages: it is short of memory or disk space".to_owned())
            }
            Link::Up(session) => Ok(Arc::clone(session)),
            Link::Down(why) => Err(why.clone()),
        }
    }
}

/// Makes connections.
struct Supervisor {
    uri: AMQPUri,
    purpose: &'static str,
    place: String,
    links: watch::Sender<Link>,
}

impl Supervisor {
    async fn run(self, closed: CancellationToken) {
        let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
        while !closed.is_cancelled() {
            let began = Instant::now();
            let error = tokio::select! {
                result = self.connect() => match result {
                    Ok(session) => self.hold(&session, &closed).await,
                    Err(error) => error,
                },
                () = closed.cancelled() => break,
            };
            if closed.is_cancelled() {
                break;
            }
            if began.elapsed() > LASTING {
                backoff.reset();
            }
            let pause = backoff.next();
            warn!(broker = self.place, purpose = self.purpose, %error, again_in = ?pause, "No connection to the message broker.");
            self.links.send_replace(Link::Down(error.to_string()));
            tokio::select! {
                () = sleep(pause) => {}
                () = closed.cancelled() => {}
            }
        }
        self.links.send_replace(Link::Down("it was closed".to_owned()));
    }

    async fn connect(&self) -> Result<Arc<Session>, BusError> {
        let name = format!("belljar {} {}", env!("CARGO_PKG_VERSION"), self.purpose);
        // It would recover by itself, too, but not from a restart of the broker: all recovery is ours.
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let what = format!("connecting to {}", self.place);
        match timeout(ANSWER, Connection::connect_uri(self.uri.clone(), properties)).await {
            Ok(Ok(connection)) => Ok(Arc::new(Session { connection, lost: CancellationToken::new() })),
            Ok(Err(error)) => Err(explain(&what, &error)),
            Err(_) => Err(disconnected(format!("{what}: no answer within {ANSWER:?}"))),
        }
    }

    /// Lets all use a connection until it is lost, and says how it was.
    async fn hold(&self, session: &Arc<Session>, closed: &CancellationToken) -> BusError {
        let mut events = Box::pin(session.connection.events_listener());
        info!(broker = self.place, purpose = self.purpose, "Connected to the message broker.");
        self.links.send_replace(Link::Up(Arc::clone(session)));
        let error = loop {
            tokio::select! {
                event = events.next() => match event {
                    // Errors of channels are told here, too.
                    Some(Event::Error(error)) if !session.connection.status().connected() => {
                        break explain("the connection was lost", &error);
                    }
                    Some(Event::ConnectionBlocked(reason)) => {
                        warn!(broker = self.place, reason, "The message broker takes no messages now.");
                    }
                    Some(Event::ConnectionUnblocked) => info!(broker = self.place, "The message broker takes messages again."),
                    Some(_) => {}
                    None => break disconnected("the connection has ended"),
                },
                // Not each end of a connection is an event.
                () = sleep(LOOK) => if !session.connection.status().connected() {
                    break disconnected("the broker closed the connection");
                },
                () = session.lost() => break disconnected("the broker did not answer"),
                () = closed.cancelled() => break disconnected("it was closed"),
            }
        };
        session.lost.cancel();
        // Whether it is said properly is of no consequence, but both sides are rid of it at once if it is.
        let _ = timeout(LASTING, session.connection.close(200, "closed".into())).await;
        error
    }
}

/// A broker's address, for lapin.
fn uri(broker: &Broker) -> AMQPUri {
    AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: broker.username.clone(), password: broker.password.reveal().to_owned() },
            host: broker.host.clone(),
            port: broker.port,
        },
        vhost: broker.vhost.clone(),
        query: AMQPQueryString { heartbeat: Some(HEARTBEAT), ..AMQPQueryString::default() },
    }
}

/// A broker's address, for people: without the password.
fn place(broker: &Broker) -> String {
    format!("{}@{}:{}, virtual host {}", broker.username, broker.host, broker.port, broker.vhost)
}
