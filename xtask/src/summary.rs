//! The sum of what test programs say of themselves.

use std::fmt;
use std::ops::AddAssign;

/// Tests by what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

/// The closing line of a run.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Summary {
    /// What one line of a test program's output adds: its last line, or a test that names itself skipped where the program does
    /// not count such tests.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let line = line.trim_end();
        if let Some(result) = line.strip_prefix("test result: ") {
            return Self::of_result(result);
        }
        let (_, verdict) = line.strip_prefix("test ")?.split_once(" ... ")?;
        verdict.starts_with("skipped").then_some(Self { skipped: 1, ..Self::default() })
    }

    /// `ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s`, as libtest and libtest-mimic have it.
    fn of_result(result: &str) -> Option<Self> {
        let counts = result
            .split_once(". ")
            .map_or(result, |(verdict, counts)| if verdict.chars().all(char::is_alphabetic) { counts } else { result });
        let mut summary = Self::default();
        let mut seen = false;
        for part in counts.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => summary.passed = number,
                "failed" => summary.failed = number,
                "ignored" => summary.skipped = number,
                _ => continue,
            }
            seen = true;
        }
        seen.then_some(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_test_programs_are_counted() {
        let counted = |passed, failed, skipped| Some(Summary { passed, failed, skipped });
        for (line, expected) in [
            (
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
                counted(3, 0, 1),
            ),
            ("test result: FAILED. 3 passed; 12 failed; 0 ignored; 0 measured; 0 filtered out", counted(3, 12, 0)),
            ("test result: 7 passed; 1 failed", counted(7, 1, 0)),
            ("test a::b ... skipped: no control groups", counted(0, 0, 1)),
            // Counted in the last line of its program.
            ("test a::b ... ignored", None),
            ("test a::b ... ok", None),
            ("test result: strange", None),
            ("running 3 tests", None),
        ] {
            assert_eq!(Summary::of_line(line), expected, "{line}");
        }
    }

    #[test]
    fn the_closing_line_is_plain() {
        let mut summary = Summary { passed: 1, failed: 2, skipped: 3 };
        summary += Summary { passed: 10, ..Summary::default() };
        assert_eq!(summary.to_string(), "11 passed, 2 failed, 3 skipped");
    }
}
