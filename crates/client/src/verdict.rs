//! One word for all vendors, and several sandboxes' word taken together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sandbox::Vendor;

/// What is said of a sample.
///
/// In this order the later is the worse: of several, the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The vendor says that it is harmless. That nothing was found is not that.
    Clean,
    /// Nobody knows: nothing was found, or the analysis failed or is not finished.
    Unknown,
    /// Something was found that harmless things seldom do.
    Suspicious,
    /// It does harm.
    Malicious,
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Clean => "clean",
            Self::Unknown => "unknown",
            Self::Suspicious => "suspicious",
            Self::Malicious => "malicious",
        })
    }
}

/// The vendor's own value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Raw {
    /// What the value means, in a word: `0-10`, `severity`, `verdict number`.
    pub scale: String,
    /// The value as it came; absent when there was none.
    pub value: Option<serde_json::Value>,
    /// The vendor's own word.
    pub label: Option<String>,
}

/// A verdict, with its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The word.
    pub verdict: Word,
    /// 0 to 100, on one scale for all. Absent when the vendor gives none: none is made up.
    pub score: Option<u8>,
    /// 0 to 100: how sure the vendor is, where it says so.
    pub confidence: Option<u8>,
    /// Names of the family.
    pub families: Vec<String>,
    /// Why: findings of weight, or why nobody knows.
    pub reasons: Vec<String>,
    /// What it was made of.
    pub raw: Raw,
}

/// A number above this is malicious where the vendor gives only a number (0 to 100).
pub const MALICIOUS_FROM: u8 = 70;
/// A number above this is suspicious where the vendor gives only a number (0 to 100).
pub const SUSPICIOUS_FROM: u8 = 40;
/// A verdict of less confidence does not decide alone.
pub const SURE_FROM: u8 = 50;

impl Word {
    /// From a number of 0 to 100, where a vendor has no bands of its own. A number alone never says clean.
    #[must_use]
    pub const fn of_score(score: u8) -> Self {
        match score {
            MALICIOUS_FROM.. => Self::Malicious,
            SUSPICIOUS_FROM.. => Self::Suspicious,
            _ => Self::Unknown,
        }
    }
}

impl Verdict {
    /// Nobody knows, for this reason.
    pub fn unknown(reason: impl Into<String>, raw: Raw) -> Self {
        Self {
            verdict: Word::Unknown,
            score: None,
            confidence: None,
            families: Vec::new(),
            reasons: vec![reason.into()],
            raw,
        }
    }
}

/// One sandbox's verdict, or why it has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// The sandbox's name.
    pub sandbox: String,
    /// Whose product.
    pub vendor: Vendor,
    /// What it says; absent when it could not be asked.
    pub verdict: Option<Verdict>,
    /// Why there is none.
    pub error: Option<String>,
}

/// What several sandboxes say together, with each one's vote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consensus {
    /// The word.
    pub verdict: Word,
    /// The greatest score of those who say this word.
    pub score: Option<u8>,
    /// How it came about, for people.
    pub reason: String,
    /// All votes.
    pub votes: Vec<Vote>,
}

/// The worst verdict counts, unless its sandbox is not sure (a confidence below [`SURE_FROM`]): then the word that most of them say
/// does, of several the worst. Sandboxes without a verdict have no vote.
#[must_use]
pub fn consensus(votes: Vec<Vote>) -> Consensus {
    let verdicts = || votes.iter().filter_map(|vote| vote.verdict.as_ref().map(|verdict| (vote, verdict)));
    let sure = |verdict: &Verdict| verdict.confidence.is_none_or(|confidence| confidence >= SURE_FROM);
    let worst = verdicts().map(|(_, verdict)| verdict.verdict).max();
    let Some(worst) = worst else {
        let reason = "no sandbox has a verdict".to_owned();
        return Consensus { verdict: Word::Unknown, score: None, reason, votes };
    };
    let count = |word| verdicts().filter(|(_, verdict)| verdict.verdict == word).count();
    let word = if verdicts().any(|(_, verdict)| verdict.verdict == worst && sure(verdict)) {
        worst
    } else {
        let words = [Word::Clean, Word::Unknown, Word::Suspicious, Word::Malicious];
        words.into_iter().max_by_key(|word| (count(*word), *word)).unwrap_or(worst)
    };
    let of_word = || verdicts().filter(|(_, verdict)| verdict.verdict == word);
    let names: Vec<&str> = of_word().map(|(vote, _)| vote.sandbox.as_str()).collect();
    let score = of_word().filter_map(|(_, verdict)| verdict.score).max();
    let reason = format!("{word} say {} of {} ({})", names.len(), verdicts().count(), names.join(", "));
    Consensus { verdict: word, score, reason, votes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(word: Option<Word>, score: Option<u8>, confidence: Option<u8>) -> Vote {
        let raw = Raw { scale: "none".to_owned(), value: None, label: None };
        let verdict = word.map(|word| Verdict { verdict: word, score, confidence, ..Verdict::unknown("", raw) });
        Vote { sandbox: "s".to_owned(), vendor: Vendor::Cuckoo, verdict, error: None }
    }

    #[test]
    fn the_worst_who_is_sure_decides_else_most_do() {
        use Word::{Clean, Malicious, Suspicious, Unknown};
        let sure = |word| vote(Some(word), Some(10), None);
        let unsure = |word| vote(Some(word), Some(90), Some(49));
        let none = || vote(None, None, None);
        for (votes, word, score) in [
            (vec![], Unknown, None),
            (vec![none(), none()], Unknown, None),
            (vec![sure(Clean), none()], Clean, Some(10)),
            (vec![sure(Clean), sure(Unknown)], Unknown, Some(10)),
            (vec![sure(Clean), sure(Clean), sure(Malicious)], Malicious, Some(10)),
            (vec![sure(Clean), sure(Clean), unsure(Malicious)], Clean, Some(10)),
            (vec![sure(Clean), unsure(Malicious), sure(Malicious)], Malicious, Some(90)),
            (vec![unsure(Malicious), sure(Suspicious)], Malicious, Some(90)),
            (vec![vote(Some(Malicious), None, Some(50)), sure(Clean)], Malicious, None),
        ] {
            let said = format!("{votes:?}");
            let together = consensus(votes);
            assert_eq!((together.verdict, together.score), (word, score), "{said}: {}", together.reason);
        }
    }

    #[test]
    fn a_number_alone_has_bands_and_is_never_clean() {
        for (score, word) in [
            (0, Word::Unknown),
            (39, Word::Unknown),
            (40, Word::Suspicious),
            (69, Word::Suspicious),
            (70, Word::Malicious),
        ] {
            assert_eq!(Word::of_score(score), word, "{score}");
        }
    }
}
