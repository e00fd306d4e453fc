//! What came out, for people, for programs and for the page in the docs.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::header::{Attack, Variant};
use super::verdict::Verdict;
use crate::summary::Summary;

/// Everything that was found out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) controls: BTreeMap<String, ControlResult>,
    /// Changes that did not come again when the attacks of their time were run alone.
    pub(crate) disturbances: Vec<String>,
}

/// One run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) attack: String,
    pub(crate) variant: Variant,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
    /// What was different afterwards, on the machine, in the next request, for a neighbour.
    pub(crate) changes: Vec<String>,
    pub(crate) seconds: f64,
}

/// Whether an attack was seen to succeed where nothing stops it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "control", content = "why")]
pub(crate) enum ControlResult {
    /// It did, as it says.
    Succeeded(String),
    /// It is stopped there, too: that it is stopped by the sandbox says nothing.
    CannotFail(String),
    /// Not shown, for this reason.
    NotShown(String),
}

impl fmt::Display for ControlResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded(what) => write!(f, "succeeds: {what}"),
            Self::CannotFail(what) => write!(f, "CANNOT FAIL: {what}"),
            Self::NotShown(why) => write!(f, "not shown: {why}"),
        }
    }
}

impl Outcome {
    pub(crate) fn new(attack: &Attack, variant: Variant, verdict: Verdict, took: Duration) -> Self {
        Self { attack: attack.name.clone(), variant, verdict, changes: Vec::new(), seconds: took.as_secs_f64() }
    }

    pub(crate) fn not_run(attack: &Attack, variant: Variant, reason: &str) -> Self {
        Self::new(attack, variant, Verdict::NotRun(reason.to_owned()), Duration::ZERO)
    }

    pub(crate) fn with_changes(mut self, changes: &[String]) -> Self {
        self.changes.extend_from_slice(changes);
        self
    }

    fn problem(&self) -> Option<String> {
        let verdict = match &self.verdict {
            Verdict::Held(_) | Verdict::NotRun(_) => None,
            Verdict::Broke(what) => Some(format!("BROKE: {what}")),
            Verdict::Unclear(what) => Some(format!("UNCLEAR: {what}")),
        };
        let changes = (!self.changes.is_empty()).then(|| format!("CHANGED: {}", self.changes.join("; ")));
        let both: Vec<_> = verdict.into_iter().chain(changes).collect();
        (!both.is_empty()).then(|| format!("{}: {}", self.variant, both.join(", ")))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, why) = match &self.verdict {
            Verdict::Held(why) => ("held", why),
            Verdict::Broke(why) => ("BROKE", why),
            Verdict::Unclear(why) => ("UNCLEAR", why),
            Verdict::NotRun(why) => ("not run", why),
        };
        write!(f, "{} ({}, {:.1} s) {word}: {why}", self.attack, self.variant, self.seconds)
    }
}

/// One attack, over all its variants.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) attack: String,
    title: String,
    tries: String,
    source: String,
    expect: String,
    stopped_by: String,
    pub(crate) result: Standing,
    /// What did not hold, or why it was not run.
    pub(crate) problems: Vec<String>,
    control: Option<ControlResult>,
    runs: Vec<Outcome>,
}

/// What is said of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// In all variants, and it can be seen to succeed otherwise or must not be.
    Held,
    /// It got through, or nobody knows, or it cannot fail.
    NotHeld,
    /// It got through, as its header and SECURITY.md say.
    KnownGap,
    /// In no variant.
    NotRun,
}

/// All rows.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    disturbances: Vec<String>,
    seconds: f64,
}

impl Report {
    pub(crate) fn new(attacks: &[Attack], findings: Findings, took: Duration) -> Self {
        let mut runs: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
        for outcome in findings.outcomes {
            runs.entry(outcome.attack.clone()).or_default().push(outcome);
        }
        let rows = attacks.iter().map(|attack| {
            let mut runs = runs.remove(&attack.name).unwrap_or_default();
            runs.sort_by_key(|run| run.variant);
            row(attack, runs, findings.controls.get(&attack.name).cloned())
        });
        Self { rows: rows.collect(), disturbances: findings.disturbances, seconds: took.as_secs_f64() }
    }

    fn count(&self, result: Standing) -> usize {
        self.rows.iter().filter(|row| row.result == result).count()
    }

    /// Whether nothing is wrong; when strict, nothing may be left out, and nothing unexplained may have happened either.
    pub(crate) fn good(&self, strict: bool) -> bool {
        let complete = self.rows.iter().flat_map(|row| &row.runs).all(|run| !matches!(run.verdict, Verdict::NotRun(_)));
        self.count(Standing::NotHeld) == 0
            && (!strict || (complete && self.count(Standing::NotRun) == 0 && self.disturbances.is_empty()))
    }

    /// As tests are counted, strictly: what was not run has failed.
    pub(crate) fn counts(&self) -> Summary {
        let count = |standing| u64::try_from(self.count(standing)).unwrap_or(u64::MAX);
        let failed = count(Standing::NotHeld) + count(Standing::NotRun);
        Summary { passed: count(Standing::Held), failed, skipped: 0 }
    }

    /// Everything that [`Report::counts`] counts as failed, a line each.
    pub(crate) fn failures(&self) -> Vec<(String, String)> {
        let wrong = |row: &&Row| matches!(row.result, Standing::NotHeld | Standing::NotRun);
        self.rows.iter().filter(wrong).map(|row| (row.attack.clone(), row.problems.join(", "))).collect()
    }

    /// Changes of the machine that did not come again when those that ran meanwhile were run alone.
    pub(crate) fn passing_changes(&self) -> Vec<String> {
        self.disturbances.iter().map(|what| format!("changed once, and not again when run alone: {what}")).collect()
    }

    /// The closing line.
    pub(crate) fn summary(&self) -> String {
        let (held, not_run) = (self.count(Standing::Held), self.count(Standing::NotRun));
        let gaps = match self.count(Standing::KnownGap) {
            0 => String::new(),
            gaps => format!(", {gaps} known gaps"),
        };
        format!("{} attacks, {held} held, {not_run} not run{gaps}", self.rows.len())
    }

    /// A table for a page.
    pub(crate) fn markdown(&self, date: &str, kernel: &str) -> String {
        let mut page = format!(
            "# Attacks\n\nWritten by `cargo xtask attack --write-docs`, on {date}, with Linux {kernel}, in {:.0} s: **{}**.\n\n\
             Each attack is a program in `attacks/`, which says where it comes from; [attacks/README.md](../attacks/README.md) says how \
             they are run and judged. *Held* counts the ways of running it: `belljar run` as root with the presets standard and strict, \
             and as an ordinary user; a server of root's, and one of an ordinary user's. *Control* is whether it is seen to succeed where \
             nothing stops it.\n\n| attack | what it tries | where it comes from | stopped by | held | control |\n| --- | --- | --- | --- | --- | --- |\n",
            self.seconds,
            self.summary()
        );
        let cell = |text: &str| text.replace('|', "\\|");
        for row in &self.rows {
            let held = row.runs.iter().filter(|run| run.verdict.held() && run.changes.is_empty()).count();
            let verdict = match row.result {
                Standing::Held => format!("{held} of {}", row.runs.len()),
                Standing::NotHeld => format!("**no**, {held} of {}", row.runs.len()),
                Standing::KnownGap => format!("**known gap**, {held} of {}", row.runs.len()),
                Standing::NotRun => "not run".to_owned(),
            };
            let control = match &row.control {
                Some(ControlResult::Succeeded(_)) => "succeeds".to_owned(),
                Some(ControlResult::CannotFail(_)) => "**cannot fail**".to_owned(),
                Some(ControlResult::NotShown(why)) => format!("not shown: {}", cell(why)),
                None => String::new(),
            };
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {verdict} | {control} |",
                row.attack,
                cell(&row.title),
                cell(&row.source),
                cell(&row.stopped_by)
            );
        }
        page
    }
}

fn row(attack: &Attack, runs: Vec<Outcome>, control: Option<ControlResult>) -> Row {
    let mut problems: Vec<String> = runs.iter().filter_map(Outcome::problem).collect();
    if let Some(ControlResult::CannotFail(what)) = &control {
        problems.push(format!("CANNOT FAIL: where nothing stops it, {what}"));
    }
    let tried = runs.iter().any(|run| !matches!(run.verdict, Verdict::NotRun(_)));
    let result = match (problems.is_empty(), tried, attack.gap.is_empty()) {
        (false, _, true) => Standing::NotHeld,
        (false, _, false) => Standing::KnownGap,
        (true, true, true) => Standing::Held,
        (true, true, false) => {
            problems.push("HOLDS: the gap that its header names is closed, so the header is wrong".to_owned());
            Standing::NotHeld
        }
        (true, false, _) => Standing::NotRun,
    };
    if result == Standing::NotRun {
        let reason = runs
            .iter()
            .find_map(|run| if let Verdict::NotRun(reason) = &run.verdict { Some(reason.clone()) } else { None });
        problems.push(reason.unwrap_or_else(|| "in none of the variants asked for".to_owned()));
    }
    Row {
        attack: attack.name.clone(),
        title: attack.title.clone(),
        tries: attack.tries.clone(),
        source: attack.source.clone(),
        expect: attack.expect.clone(),
        stopped_by: attack.stopped_by.clone(),
        result,
        problems,
        control,
        runs,
    }
}

/// The table: attack, what it tried, what stopped it, verdict.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&Row) -> &String| self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
        let (attack, title, stopped) =
            (width(|row| &row.attack), width(|row| &row.title), width(|row| &row.stopped_by));
        writeln!(f, "{:attack$}  {:title$}  {:stopped$}  verdict", "attack", "what it tried", "what stopped it")?;
        for row in &self.rows {
            let held = row.runs.iter().filter(|run| run.verdict.held() && run.changes.is_empty()).count();
            let verdict = match row.result {
                Standing::Held => format!("held ({held} of {})", row.runs.len()),
                Standing::NotHeld => "NOT HELD".to_owned(),
                Standing::KnownGap => "known gap, see SECURITY.md".to_owned(),
                Standing::NotRun => "not run".to_owned(),
            };
            let not_shown = matches!(row.control, Some(ControlResult::NotShown(_)));
            let control = if not_shown && row.result == Standing::Held { ", no control" } else { "" };
            writeln!(
                f,
                "{:attack$}  {:title$}  {:stopped$}  {verdict}{control}",
                row.attack, row.title, row.stopped_by
            )?;
            for problem in &row.problems {
                writeln!(f, "    {problem}")?;
            }
        }
        for disturbance in &self.disturbances {
            writeln!(f, "warning: changed once, and not again when run alone: {disturbance}")?;
        }
        writeln!(f, "\n{:.0} s.\n{}", self.seconds, self.summary())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn attack(name: &str) -> Attack {
        let text = "# attack: a\n# tries: b\n# source: c\n# expect: d\n# stopped-by: seccomp\n# without: seccomp\n";
        Attack::parse(name, Path::new("x.sh"), text).expect("a header")
    }

    fn report(runs: Vec<(&str, Verdict, &[&str])>, controls: &[(&str, ControlResult)]) -> Report {
        let names: std::collections::BTreeSet<&str> = runs.iter().map(|(name, ..)| *name).collect();
        let attacks: Vec<_> = names.into_iter().map(attack).collect();
        let outcomes = runs.into_iter().map(|(name, verdict, changes)| {
            let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
            Outcome::new(&attack(name), Variant::Standard, verdict, Duration::ZERO).with_changes(&changes)
        });
        let controls = controls.iter().map(|(name, result)| ((*name).to_owned(), result.clone())).collect();
        Report::new(
            &attacks,
            Findings { outcomes: outcomes.collect(), controls, disturbances: Vec::new() },
            Duration::ZERO,
        )
    }

    #[test]
    fn an_attack_holds_only_when_everything_about_it_does() {
        let held = || Verdict::Held("refused".to_owned());
        let shown = ControlResult::Succeeded("in".to_owned());
        let text = || "why".to_owned();
        for (runs, control, result) in [
            (vec![("a/x", held(), &[][..])], shown.clone(), Standing::Held),
            (vec![("a/x", held(), &[]), ("a/x", Verdict::NotRun(text()), &[])], shown.clone(), Standing::Held),
            (vec![("a/x", held(), &[]), ("a/x", Verdict::Broke(text()), &[])], shown.clone(), Standing::NotHeld),
            (vec![("a/x", Verdict::Unclear(text()), &[])], shown.clone(), Standing::NotHeld),
            (vec![("a/x", held(), &["file /etc/x: new"])], shown.clone(), Standing::NotHeld),
            (vec![("a/x", held(), &[])], ControlResult::CannotFail(text()), Standing::NotHeld),
            (vec![("a/x", held(), &[])], ControlResult::NotShown(text()), Standing::Held),
            (vec![("a/x", Verdict::NotRun(text()), &[])], shown, Standing::NotRun),
        ] {
            let said = format!("{runs:?} {control:?}");
            assert_eq!(report(runs, &[("a/x", control)]).rows[0].result, result, "{said}");
        }
    }

    #[test]
    fn the_closing_line_counts_and_strictness_wants_all() {
        let held = || Verdict::Held("refused".to_owned());
        let not_run = || Verdict::NotRun("gcc is not installed".to_owned());
        let all = report(vec![("a/x", held(), &[]), ("a/y", held(), &[])], &[]);
        assert_eq!(all.summary(), "2 attacks, 2 held, 0 not run");
        assert!(all.good(true));
        let some = report(vec![("a/x", held(), &[]), ("a/y", not_run(), &[])], &[]);
        assert_eq!(some.summary(), "2 attacks, 1 held, 1 not run");
        assert!(some.good(false) && !some.good(true));
        assert_eq!(some.counts(), Summary { passed: 1, failed: 1, skipped: 0 });
        assert!(some.to_string().contains("gcc is not installed"));
        assert_eq!(some.failures(), [("a/y".to_owned(), "gcc is not installed".to_owned())]);
        let broken = report(vec![("a/x", Verdict::Broke("through".to_owned()), &[])], &[]);
        assert_eq!(broken.failures(), [("a/x".to_owned(), "standard: BROKE: through".to_owned())]);
        assert_eq!(broken.summary(), "1 attacks, 0 held, 0 not run");
        assert!(!broken.good(false));
        assert!(broken.to_string().ends_with("\n1 attacks, 0 held, 0 not run\n"), "{broken}");
    }
}
