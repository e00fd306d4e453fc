//! What of the checks' thousands of lines somebody has to see.

/// Lines of one failure that are shown, at most: a panic with its backtrace has some hundred.
const LINES_OF_A_FAILURE: usize = 150;
/// Lines of a compiler's or a tool's error that are shown, at most.
const LINES_OF_AN_ERROR: usize = 30;

/// Beginnings of lines that are always shown: what is being run, what failed, and what it comes to.
const ALWAYS: [&str; 5] = ["$ ", "FAILED: ", "UNSTEADY: ", "Tests took ", "missing: "];

/// Chooses lines.
#[derive(Debug, Default)]
pub(super) struct Digest {
    /// More lines of what is being told.
    left: usize,
    /// What is told ends with an empty line, not with a test program's result.
    ends_with_blank: bool,
}

impl Digest {
    /// Whether this line is shown.
    pub(super) fn shows(&mut self, line: &str) -> bool {
        if ALWAYS.iter().any(|start| line.starts_with(start)) || is_sum(line) {
            self.left = 0;
            return true;
        }
        if line == "failures:" {
            (self.left, self.ends_with_blank) = (LINES_OF_A_FAILURE, false);
        } else if line.starts_with("error") || line.starts_with("Diff in ") {
            (self.left, self.ends_with_blank) = (LINES_OF_AN_ERROR, true);
        }
        let failed = line.starts_with("test result: FAILED")
            || (line.starts_with("test ") && (line.ends_with(" FAILED") || line.contains(" ... skipped")));
        if self.left > 0 && !failed && is_frame(line) {
            return false;
        }
        let shown = failed || self.left > 0;
        self.left = self.left.saturating_sub(1);
        if line.starts_with("test result:") || (self.ends_with_blank && line.is_empty()) {
            self.left = 0;
        }
        shown
    }
}

/// A line of a backtrace: `  7: core::ops::function` or `     at src/lib.rs:1:1`. Where it panicked is said before.
fn is_frame(line: &str) -> bool {
    let trimmed = line.trim_start();
    let number = trimmed.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    trimmed.len() < line.len() && (number || trimmed.starts_with("at "))
}

/// `3 passed, 0 failed, 1 skipped`.
fn is_sum(line: &str) -> bool {
    let counts = |part: &str| part.split_once(' ').is_some_and(|(count, _)| count.parse::<u64>().is_ok());
    line.split(", ").count() == 3 && line.split(", ").all(counts) && line.contains(" passed, ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_shown_and_the_rest_is_not() {
        let told = "\
-   Compiling belljar v0.1.0
+$ cargo test --workspace
-test a ... ok
+test b ... FAILED
+test c ... skipped: no control groups
-thread 'd' panicked at src/lib.rs:1:1:
-
+failures:
+
+---- b stdout ----
+one is not two
+stack backtrace:
-   0: core::panicking::panic
-             at ./src/lib.rs:1:1
+
+failures:
+    b
+
+test result: FAILED. 1 passed; 1 failed; 0 ignored
-test result: ok. 70 passed; 0 failed; 0 ignored
+error[E0425]: no such value
+  --> src/lib.rs:1:1
+
-   Checking xtask
+Diff in src/lib.rs:1:
+-    x
+
-175 attacks, 174 held, 0 not run, 1 known gaps
+FAILED: cargo fmt
+UNSTEADY: b
+1382 passed, 0 failed, 0 skipped";
        let mut digest = Digest::default();
        for line in told.lines() {
            let (mark, line) = line.split_at(1);
            assert_eq!(digest.shows(line), mark == "+", "{line}");
        }
    }

    #[test]
    fn a_failure_without_end_is_cut() {
        let mut digest = Digest::default();
        assert!(digest.shows("failures:"));
        let shown = (0..10_000).filter(|_| digest.shows("and on")).count();
        assert_eq!(shown, LINES_OF_A_FAILURE - 1);
    }
}
