//! What is sent, and what has become of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::APPS;
use crate::bench::worker::message;
use crate::chaos::random::Random;

/// What a message makes its app do, and of how many thousand messages it is so.
const KINDS: [(&str, u64); 9] = [
    ("echo", 930),
    ("flaky", 25),
    ("throw", 15),
    ("late", 10),
    // Each takes its whole time, twice.
    ("loop", 2),
    ("hang", 2),
    ("allocate", 3),
    ("flood", 3),
    // Not a message at all.
    ("garbage", 10),
];

/// Users of each app.
const USERS: u64 = 100;

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) transport: &'static str,
    pub(super) body: Vec<u8>,
    kind: &'static str,
    /// The broker has said that it has it.
    pub(super) confirmed: bool,
}

/// Every message that was sent.
#[derive(Debug)]
pub(super) struct Ledger {
    random: Random,
    /// How many will be sent.
    pub(super) total: u64,
    /// How many have been.
    pub(super) sent: u64,
    /// Those that are on their way, by their ids.
    pub(super) open: HashMap<String, Sent>,
    /// What became of the others, by kind: answered, dead.
    ended: BTreeMap<&'static str, (u64, u64)>,
    /// Answers and dead letters of messages that had one before.
    again: u64,
}

impl Ledger {
    pub(super) fn new(seed: u64, total: u64) -> Self {
        let random = Random::branch(seed, 0);
        Self { random, total, sent: 0, open: HashMap::new(), ended: BTreeMap::new(), again: 0 }
    }

    /// The next message, with its id.
    pub(super) fn next(&mut self) -> Option<String> {
        if self.sent >= self.total {
            return None;
        }
        let number = self.sent;
        self.sent += 1;
        let kind = weighted(&KINDS, &mut self.random)?;
        let transport = weighted(&APPS, &mut self.random)?;
        let id = format!("{number:032x}");
        let user = format!("+27{:09}", self.random.below(USERS));
        let body = match kind {
            "garbage" => format!("{id} is not JSON").into_bytes(),
            _ => message(transport, &id, &user, None, Some(&format!("{kind} {number}"))).to_string().into_bytes(),
        };
        self.open.insert(id.clone(), Sent { transport, body, kind, confirmed: false });
        Some(id)
    }

    /// Takes an answer. One message's is never another's.
    pub(super) fn answered(&mut self, body: &[u8]) -> Result<()> {
        let answer: Value = serde_json::from_slice(body)?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, content) = (text("in_reply_to"), text("content"));
        let Ok(number) = u64::from_str_radix(&id, 16) else { bail!("nobody asked for {answer}") };
        let own = content.strip_prefix("answer to ").and_then(|rest| rest.rsplit(' ').next());
        ensure!(own == Some(number.to_string().as_str()), "the answer to {number} is that of another one: {answer}");
        self.end(&id, true)
    }

    /// Takes a dead letter.
    pub(super) fn died(&mut self, body: &[u8]) -> Result<()> {
        let id = match serde_json::from_slice::<Value>(body) {
            Ok(message) => message.get("message_id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            Err(_) => String::from_utf8_lossy(body).split(' ').next().unwrap_or_default().to_owned(),
        };
        self.end(&id, false)
    }

    fn end(&mut self, id: &str, answered: bool) -> Result<()> {
        match self.open.remove(id) {
            Some(sent) => {
                let count = self.ended.entry(sent.kind).or_default();
                *if answered { &mut count.0 } else { &mut count.1 } += 1;
            }
            // Delivered again, after the broker was killed or the app crashed behind its answer.
            None if u64::from_str_radix(id, 16).is_ok_and(|number| number < self.sent) => self.again += 1,
            None => bail!("nobody sent {id:?}"),
        }
        Ok(())
    }

    /// How many have ended.
    pub(super) fn done(&self) -> u64 {
        self.ended.values().map(|(answered, dead)| answered + dead).sum()
    }
}

/// One of these, as often as its weight says.
fn weighted(among: &[(&'static str, u64)], random: &mut Random) -> Option<&'static str> {
    let mut place = random.below(among.iter().map(|(_, weight)| weight).sum());
    among.iter().find_map(|(what, weight)| match place.checked_sub(*weight) {
        Some(rest) => {
            place = rest;
            None
        }
        None => Some(*what),
    })
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (answered, dead) = self.ended.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        write!(f, "{} messages sent: {answered} answered, {dead} dead, {} neither", self.sent, self.open.len())?;
        writeln!(f, "; {} answers and dead letters came again", self.again)?;
        for (kind, (answered, dead)) in &self.ended {
            writeln!(f, "  {kind:8} {answered:7} answered {dead:6} dead")?;
        }
        for (id, sent) in self.open.iter().take(10) {
            writeln!(f, "  neither: {id} ({}, {}, confirmed: {})", sent.kind, sent.transport, sent.confirmed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: &str, content: &str) -> Vec<u8> {
        serde_json::json!({"in_reply_to": id, "content": content}).to_string().into_bytes()
    }

    #[test]
    fn each_message_is_accounted_for() {
        let mut ledger = Ledger::new(1, 100);
        let ids: Vec<_> = std::iter::from_fn(|| ledger.next()).collect();
        assert_eq!((ids.len(), ledger.sent, ledger.done(), ledger.open.len()), (100, 100, 0, 100));
        ledger.answered(&answer(&ids[7], "answer to echo 7")).expect("it was sent");
        ledger.answered(&answer(&ids[7], "answer to echo 7")).expect("it may come again");
        assert_eq!((ledger.done(), ledger.again), (1, 1));
        assert!(ledger.answered(&answer(&ids[8], "answer to echo 9")).is_err(), "of another message");
        assert!(ledger.answered(&answer("ff", "answer to echo 255")).is_err(), "of no message");
        let body = ledger.open[&ids[9]].body.clone();
        ledger.died(&body).expect("it was sent");
        ledger.died(format!("{} is not JSON", ids[10]).as_bytes()).expect("it was sent");
        assert_eq!((ledger.done(), ledger.open.len()), (3, 97));
    }
}
