//! What of the network a command may reach, and what became of its attempts.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use belljar_egress::{Allowlist, Connection, Ending, Entry, Gate, Journal, Limits, Machine, Refusal, Rules, Verdict};
use belljar_sandbox::{Bridge, Network, Policy, Sandbox};

use super::plan::PlanError;
use crate::args::NetworkChoice;

/// Writes the choice into the policy. Rules are there when it is an allow-list.
///
/// # Errors
///
/// There is a list that would mean nothing, or one that is too long.
pub(super) fn choose(
    choice: Option<NetworkChoice>,
    allowed: &[Entry],
    policy: &mut Policy,
) -> Result<Option<Arc<Rules>>, PlanError> {
    let without = |network| if allowed.is_empty() { Ok(None) } else { Err(PlanError::AllowWithout { network }) };
    match choice {
        None if allowed.is_empty() => Ok(None),
        Some(NetworkChoice::None) => without("none"),
        Some(NetworkChoice::Host) => {
            policy.network = Network::Host;
            without("host")
        }
        None | Some(NetworkChoice::Allow) => {
            let rules = Rules::new(Allowlist::new(allowed.to_vec()), Limits::default(), Bridge::MOST_LISTENERS)?;
            policy.network = Network::Bridged(Bridge { listen: rules.listen(), hosts: rules.hosts() });
            policy.environment.extend(rules.variables());
            Ok(Some(Arc::new(rules)))
        }
    }
}

/// Connections that are told in full. A command that makes more than this is not told better by more lines.
const MOST_KEPT: usize = 1000;

/// What became of the command's connections.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Vec<Connection>>);

impl Journal for Log {
    fn record(&self, connection: Connection) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.push(connection);
        }
    }
}

impl Log {
    /// Everything so far; nothing is left.
    pub(super) fn take(&self) -> Vec<Connection> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The proxy of a sandbox, where the rules ask for one.
///
/// # Errors
///
/// Its sockets cannot be used.
pub(super) fn open(rules: Option<&Arc<Rules>>, sandbox: &Sandbox, log: &Arc<Log>) -> io::Result<Option<Gate>> {
    let Some(rules) = rules else { return Ok(None) };
    let journal = Arc::clone(log) as Arc<dyn Journal>;
    Gate::new(Arc::clone(rules), sandbox.listeners()?, Arc::new(Machine::default()), journal).map(Some)
}

/// Lines that are told, at most.
const MOST_LINES: usize = 20;

/// What the caller is told: what was not reached and why, each once.
pub(super) fn lines(connections: &[Connection]) -> Vec<String> {
    let mut told: Vec<(String, usize)> = Vec::new();
    for line in connections.iter().filter_map(line) {
        match told.iter_mut().find(|(other, _)| *other == line) {
            Some((_, times)) => *times += 1,
            None => told.push((line, 1)),
        }
    }
    let rest = told.len().saturating_sub(MOST_LINES);
    let count = |(line, times)| if times == 1 { line } else { format!("{line} ({times} times)") };
    let more = (rest > 0).then(|| format!("and {rest} more; --json tells them"));
    told.into_iter().take(MOST_LINES).map(count).chain(more).collect()
}

fn line(connection: &Connection) -> Option<String> {
    let Connection { host, port, verdict, reason, ending, .. } = connection;
    let place = if host.is_empty() { "a connection".to_owned() } else { format!("{host}:{port}") };
    let reason = reason.as_deref().unwrap_or_default();
    match verdict {
        // Opened and closed without a word, as those do that only look whether somebody listens.
        Verdict::Refused(Refusal::Incomplete) if host.is_empty() => None,
        Verdict::Refused(Refusal::NotListed) => Some(format!("refused: {place}: {reason} (--allow {place})")),
        Verdict::Refused(_) => Some(format!("refused: {place}: {reason}")),
        Verdict::Failed(_) => Some(format!("not reached: {place}: {reason}")),
        Verdict::Allowed => match ending {
            Ending::Closed | Ending::RunEnded => None,
            Ending::Idle => Some(format!("cut: {place}: it was silent for too long")),
            Ending::SentLimit => Some(format!("cut: {place}: the command has sent all that it may")),
            Ending::ReceivedLimit => Some(format!("cut: {place}: the command has received all that it may")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use belljar_egress::{Failure, Way};

    use super::*;

    fn connection(host: &str, verdict: Verdict, ending: Ending) -> Connection {
        Connection {
            way: Way::Direct,
            host: host.to_owned(),
            port: 443,
            address: None,
            reason: verdict.reason(),
            verdict,
            ending,
            sent: 0,
            received: 0,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn what_was_not_reached_is_told_once() {
        let refused = |host: &str| connection(host, Verdict::Refused(Refusal::NotListed), Ending::Closed);
        let connections = [
            connection("fine.example", Verdict::Allowed, Ending::Closed),
            refused("evil.example"),
            connection("a.example", Verdict::Failed(Failure::TimedOut), Ending::Closed),
            refused("evil.example"),
            connection("", Verdict::Refused(Refusal::Incomplete), Ending::RunEnded),
            connection("", Verdict::Refused(Refusal::Request("it is not HTTP/1")), Ending::Closed),
            connection("b.example", Verdict::Allowed, Ending::ReceivedLimit),
            connection("c.example", Verdict::Allowed, Ending::RunEnded),
        ];
        assert_eq!(
            lines(&connections),
            [
                "refused: evil.example:443: it is not on the list (--allow evil.example:443) (2 times)",
                "not reached: a.example:443: it did not answer in time",
                "refused: a connection: the request is refused: it is not HTTP/1",
                "cut: b.example:443: the command has received all that it may",
            ]
        );
        let many: Vec<_> = (0..30).map(|number| refused(&format!("a{number}.example"))).collect();
        let told = lines(&many);
        assert_eq!((told.len(), told[20].as_str()), (21, "and 10 more; --json tells them"));
    }

    #[test]
    fn the_log_has_an_end() {
        let log = Log::default();
        for _ in 0..2 * MOST_KEPT {
            log.record(connection("a.example", Verdict::Allowed, Ending::Closed));
        }
        assert_eq!((log.take().len(), log.take().len()), (MOST_KEPT, 0));
    }
}
