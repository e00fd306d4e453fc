//! The time that the commands of one request share.

use std::time::Duration;

use crate::TimeLimit;

/// What is left of a request's time. In floating-point seconds, like the protocol that reports the limits: what is left
/// after a command is printed to the user digit by digit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Budget {
    left: f64,
}

/// The limit of one command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Allowance {
    /// Where it came from, to be told.
    pub(crate) limit: TimeLimit,
    /// How long it is; nothing when the command must not be started.
    pub(crate) time: Duration,
}

impl Budget {
    pub(crate) const fn new(whole: Duration) -> Self {
        Self { left: whole.as_secs_f64() }
    }

    /// The limit of a command that asks for `own`: the smaller of the two, its own when they are equal.
    pub(crate) fn allow(self, own: Option<Duration>) -> Allowance {
        match own {
            Some(own) if own.as_secs_f64() <= self.left => Allowance { limit: TimeLimit::Own, time: own },
            _ => Allowance {
                limit: TimeLimit::Budget(self.left),
                // Negative when earlier commands took longer than they were allowed, by the time it took to end them.
                time: Duration::try_from_secs_f64(self.left).unwrap_or(Duration::ZERO),
            },
        }
    }

    /// Takes away what a command took.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.left -= time.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(seconds: f64) -> Allowance {
        Allowance { limit: TimeLimit::Own, time: Duration::from_secs_f64(seconds) }
    }

    fn budget(seconds: f64) -> Allowance {
        let time = if seconds > 0.0 { Duration::from_secs_f64(seconds) } else { Duration::ZERO };
        Allowance { limit: TimeLimit::Budget(seconds), time }
    }

    #[test]
    fn the_smaller_limit_wins_and_a_tie_is_the_command_s() {
        for (asked, spent, expected) in [
            (None, 0.0, budget(10.0)),
            (None, 4.0, budget(6.0)),
            (Some(1.0), 0.0, own(1.0)),
            (Some(10.0), 0.0, own(10.0)),
            (Some(11.0), 0.0, budget(10.0)),
            (Some(6.0), 4.0, own(6.0)),
            (Some(6.5), 4.0, budget(6.0)),
            (Some(0.0), 4.0, own(0.0)),
            (None, 10.0, budget(0.0)),
            (None, 10.5, budget(-0.5)),
            (Some(1.0), 10.5, budget(-0.5)),
            (Some(0.0), 10.5, budget(-0.5)),
        ] {
            let mut whole = Budget::new(Duration::from_secs(10));
            whole.spend(Duration::from_secs_f64(spent));
            let allowed = whole.allow(asked.map(Duration::from_secs_f64));
            assert_eq!(allowed, expected, "{asked:?} after {spent}");
        }
    }

    #[test]
    fn each_command_takes_its_part() {
        let mut left = Budget::new(Duration::from_secs(1));
        for expected in [1.0, 0.75, 0.5, 0.25, 0.0, -0.25] {
            assert_eq!(left.allow(None), budget(expected));
            left.spend(Duration::from_millis(250));
        }
    }
}
