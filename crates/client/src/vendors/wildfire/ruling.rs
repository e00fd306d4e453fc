//! WildFire's verdicts, which are numbers.

use serde_json::Value;

use super::answer::{each, text};
use crate::sample::{Hash, HashKind};
use crate::verdict::{Raw, Verdict, Word};

/// What WildFire says of a file or an address, by the numbers of its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WildFireRuling {
    /// 0: it does no harm.
    Benign,
    /// 1: it does harm.
    Malware,
    /// 2: it does no harm and is unwanted: adware, for example.
    Grayware,
    /// 4: it is after passwords.
    Phishing,
    /// 5: malware is commanded from there.
    CommandAndControl,
    /// -100: the analysis is not finished.
    Pending,
    /// -101: the analysis failed.
    Failed,
    /// -102: nothing is known of it.
    NotFound,
    /// -103: what was asked for is no hash.
    InvalidHash,
    /// A number that is not documented.
    Other(i64),
}

impl WildFireRuling {
    /// That of a number.
    #[must_use]
    pub const fn of(number: i64) -> Self {
        match number {
            0 => Self::Benign,
            1 => Self::Malware,
            2 => Self::Grayware,
            4 => Self::Phishing,
            5 => Self::CommandAndControl,
            -100 => Self::Pending,
            -101 => Self::Failed,
            -102 => Self::NotFound,
            -103 => Self::InvalidHash,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Benign => 0,
            Self::Malware => 1,
            Self::Grayware => 2,
            Self::Phishing => 4,
            Self::CommandAndControl => 5,
            Self::Pending => -100,
            Self::Failed => -101,
            Self::NotFound => -102,
            Self::InvalidHash => -103,
            Self::Other(number) => number,
        }
    }

    /// What it means, for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Benign => "benign",
            Self::Malware => "malware",
            Self::Grayware => "grayware",
            Self::Phishing => "phishing",
            Self::CommandAndControl => "command-and-control",
            Self::Pending => "the analysis is not finished",
            Self::Failed => "WildFire could not process the sample",
            Self::NotFound => "WildFire knows nothing of it",
            Self::InvalidHash => "WildFire takes this for no hash",
            Self::Other(_) => "a verdict that is not known",
        }
    }

    /// The word and the score of 0 to 100, where there is a verdict.
    const fn word(self) -> Option<(Word, u8)> {
        match self {
            Self::Benign => Some((Word::Clean, 0)),
            Self::Malware => Some((Word::Malicious, 100)),
            Self::Grayware => Some((Word::Suspicious, 40)),
            Self::Phishing => Some((Word::Malicious, 80)),
            Self::CommandAndControl => Some((Word::Malicious, 90)),
            _ => None,
        }
    }
}

/// What WildFire answers when it is asked for a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WildFireVerdict {
    /// The verdict.
    pub ruling: WildFireRuling,
    /// Of a file.
    pub sha256: Option<String>,
    /// Of a file.
    pub md5: Option<String>,
    /// Of an address.
    pub url: Option<String>,
    /// When an address was analysed, in the vendor's writing.
    pub analysed: Option<String>,
    /// The vendor says that a verdict about an address holds no longer.
    pub outdated: bool,
}

impl WildFireVerdict {
    /// On the scale of all vendors.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let raw = Raw {
            scale: "verdict number".to_owned(),
            value: Some(self.ruling.number().into()),
            label: Some(self.ruling.meaning().to_owned()),
        };
        match self.ruling.word() {
            None => Verdict::unknown(self.ruling.meaning(), raw),
            Some((Word::Clean, _)) if self.outdated => Verdict::unknown("benign when it was analysed, long ago", raw),
            Some((word, score)) => {
                Verdict { verdict: word, score: Some(score), ..Verdict::unknown(self.ruling.meaning(), raw) }
            }
        }
    }

    /// Whether it names another file than the one that was asked for.
    pub(super) fn is_about_another(&self, asked: &str) -> bool {
        let named = match Hash::parse(asked).map(|hash| hash.kind()) {
            Some(HashKind::Sha256) => &self.sha256,
            Some(HashKind::Md5) => &self.md5,
            _ => &None,
        };
        named.as_deref().is_some_and(|named| !named.trim().eq_ignore_ascii_case(asked.trim()))
    }
}

/// All verdicts of an answer.
pub(super) fn verdicts(answer: &Value) -> Result<Vec<WildFireVerdict>, String> {
    let verdict = |info: &Value| {
        let number = text(info, "verdict").ok_or("no `verdict`")?;
        let number = number.trim().parse().map_err(|_| format!("a verdict that is no number: {number}"))?;
        Ok(WildFireVerdict {
            ruling: WildFireRuling::of(number),
            sha256: text(info, "sha256"),
            md5: text(info, "md5"),
            url: text(info, "url"),
            analysed: text(info, "analysis_time"),
            outdated: text(info, "valid").is_some_and(|valid| valid.eq_ignore_ascii_case("no")),
        })
    };
    each(&answer["wildfire"], "get-verdict-info").iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ruling_is_its_number() {
        for number in -110..10 {
            assert_eq!(WildFireRuling::of(number).number(), number);
        }
    }
}
