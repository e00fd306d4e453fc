//! What a program's end says about an attack.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The exit code of a program that got through.
const BROKE: i64 = 99;
/// Characters of a program's words that are kept.
const WORDS: usize = 300;

/// What became of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "why")]
pub(crate) enum Verdict {
    /// Stopped, as it says.
    Held(String),
    /// It got through.
    Broke(String),
    /// Neither is sure; counts as not held.
    Unclear(String),
    /// It was not tried, for this reason.
    NotRun(String),
}

impl Verdict {
    pub(crate) const fn held(&self) -> bool {
        matches!(self, Self::Held(_))
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// As in the header's `ends`: `exit`, `signal`, the name of a limit. Several where the way of running it does not tell.
    pub(crate) names: Vec<String>,
    /// The exit code, if it exited.
    pub(crate) code: Option<i64>,
    pub(crate) output: String,
    /// For people.
    pub(crate) told: String,
}

impl End {
    /// From the JSON of `belljar run`.
    pub(crate) fn of_run(outcome: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let end = &outcome["end"];
        let (name, code) = match end["how"].as_str() {
            Some("exited") => ("exit".to_owned(), end["code"].as_i64()),
            Some("signaled") => ("signal".to_owned(), None),
            Some("limit_reached") => (text(&end["limit"]), None),
            Some("setup_failed") if end["step"] == "sandbox" => ("died".to_owned(), None),
            _ => (text(&end["how"]), None),
        };
        let told = format!("{end} {}", shortened(&text(&outcome["stderr"])));
        Self { names: vec![name], code, output: text(&outcome["stdout"]), told }
    }

    /// From the answer of a server, whose protocol has fewer words.
    pub(crate) fn of_answer(status: u16, answer: &Value) -> Self {
        let entry = &answer["execution"][0];
        let output = entry["stdout"].as_str().unwrap_or_default().to_owned();
        let stderr = entry["stderr"].as_str().unwrap_or_default();
        let code = entry["exit_code"].as_i64();
        let limit = stderr.lines().last().and_then(|line| line.strip_prefix("Command killed, limit reached: "));
        let names = match (status, code, limit) {
            (200, Some(-2), _) => vec!["wall_time", "cpu_time"],
            (200, Some(137), Some(limit)) => vec![match limit {
                "processes" => "processes",
                "memory" => "memory",
                "file size" => "file_size",
                "disk space" => "disk",
                "number of files" => "inodes",
                "output size" => "output",
                _ => "unknown",
            }],
            (200, Some(129..=192), _) => vec!["exit", "signal"],
            (200, Some(0..), _) => vec!["exit"],
            (500, ..) => vec!["died"],
            _ => vec!["unknown"],
        };
        let told = format!("status {status}, exit code {code:?} {}", shortened(stderr));
        Self { names: names.into_iter().map(str::to_owned).collect(), code, output, told }
    }

    /// Of a plain process.
    pub(crate) fn of_process(status: std::process::ExitStatus, output: String, stderr: &str) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = status.code().map(i64::from);
        let name = if code.is_some() { "exit" } else { "signal" };
        let told = format!("exit code {code:?}, signal {:?} {}", status.signal(), shortened(stderr));
        Self { names: vec![name.to_owned()], code, output, told }
    }
}

/// Judges an end by the program's own words and by the ends that its header allows.
pub(crate) fn judge(allowed: &[String], end: &End) -> Verdict {
    let said = |word: &str| {
        end.output.lines().rev().find_map(|line| line.strip_prefix(word)).map(|rest| shortened(rest.trim()))
    };
    if let Some(what) = said("broke:") {
        return Verdict::Broke(what);
    }
    if end.code == Some(BROKE) {
        return Verdict::Broke(format!("exit code {BROKE} without a word; {}", end.told));
    }
    let allowed = |name: &str| allowed.iter().any(|allowed| allowed == name);
    if let (Some(0), Some(reason)) = (end.code, said("held:")) {
        // A program that is to be killed and says that it was held has not been stopped by what should stop it.
        return if allowed("exit") {
            Verdict::Held(reason)
        } else {
            Verdict::Unclear(format!("it went on to its end: {reason}"))
        };
    }
    // Its own exit is one of the allowed ends only with the words; a shell's code for a signal may be either.
    let other = end.names.iter().find(|name| name.as_str() != "exit" && allowed(name));
    match other {
        Some(name) => Verdict::Held(format!("ended by {}", name.replace('_', " "))),
        None => Verdict::Unclear(format!("{} {}", end.told, shortened(&end.output))),
    }
}

/// Whether a run without protection shows that the attack can succeed.
pub(crate) fn shows(allowed: &[String], end: &End) -> Result<String, String> {
    match judge(allowed, end) {
        Verdict::Broke(what) => Ok(what),
        // What is stopped by a limit succeeds by ending otherwise.
        Verdict::Unclear(what) if !allowed.iter().any(|name| name == "exit") && end.code.is_some() => Ok(what),
        Verdict::Held(what) | Verdict::Unclear(what) | Verdict::NotRun(what) => Err(what),
    }
}

/// Text that fits a line.
pub(crate) fn shortened(text: &str) -> String {
    let line: String =
        text.trim().chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    match line.char_indices().nth(WORDS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(end: &Value, stdout: &str) -> End {
        End::of_run(&json!({"end": end, "stdout": stdout, "stderr": ""}))
    }

    fn ends(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn words_and_ends_make_the_verdict() {
        let exited = |code: i64| json!({"how": "exited", "code": code});
        let limit = |limit: &str| json!({"how": "limit_reached", "limit": limit});
        let word = |verdict: &Verdict| match verdict {
            Verdict::Held(_) => "held",
            Verdict::Broke(_) => "broke",
            Verdict::Unclear(_) => "unclear",
            Verdict::NotRun(_) => "not run",
        };
        for (allowed, end, stdout, expected) in [
            (&["exit"][..], exited(0), "noise\nheld: refused\n", "held"),
            (&["exit"], exited(0), "refused\n", "unclear"),
            (&["exit"], exited(1), "held: refused\n", "unclear"),
            (&["exit"], exited(99), "", "broke"),
            (&["exit"], exited(0), "broke: through\nheld: refused\n", "broke"),
            (&["exit"], limit("memory"), "", "unclear"),
            (&["memory"], limit("memory"), "", "held"),
            (&["memory"], limit("memory"), "broke: more than the limit\n", "broke"),
            (&["memory"], exited(0), "held: nothing happened\n", "unclear"),
            (&["memory", "exit"], exited(0), "held: refused\n", "held"),
            (&["memory"], limit("wall_time"), "", "unclear"),
            (&["signal"], json!({"how": "signaled", "signal": 9}), "", "held"),
            (&["exit"], json!({"how": "setup_failed", "step": "execve"}), "held: x", "unclear"),
            (&["died"], json!({"how": "setup_failed", "step": "sandbox"}), "", "held"),
        ] {
            let verdict = judge(&ends(allowed), &run(&end, stdout));
            assert_eq!(word(&verdict), expected, "{allowed:?} {end} {stdout:?}: {verdict:?}");
        }
    }

    #[test]
    fn answers_of_a_server_are_read() {
        let answer = |code: i64, stderr: &str| json!({"execution": [{"exit_code": code, "stdout": "held: x", "stderr": stderr}]});
        for (status, answer, allowed, held) in [
            (200, answer(0, ""), &["exit"][..], true),
            (200, answer(-2, "Command timed out after 1 seconds\n"), &["wall_time"], true),
            (200, answer(-2, "Command timed out after 1 seconds\n"), &["exit"], false),
            (200, answer(137, "x\nCommand killed, limit reached: memory"), &["memory"], true),
            (200, answer(137, "Command killed, limit reached: output size"), &["memory"], false),
            (200, answer(137, ""), &["signal"], true),
            (200, answer(-1, ""), &["exit"], false),
            (503, json!({}), &["exit"], false),
            (500, json!({}), &["died"], true),
        ] {
            let verdict = judge(&ends(allowed), &End::of_answer(status, &answer));
            assert_eq!(verdict.held(), held, "{answer} {allowed:?}: {verdict:?}");
        }
    }

    #[test]
    fn a_control_run_must_get_through() {
        let exited = |code: i64| json!({"how": "exited", "code": code});
        assert!(shows(&ends(&["exit"]), &run(&exited(99), "broke: in\n")).is_ok());
        assert!(shows(&ends(&["exit"]), &run(&exited(0), "held: refused\n")).is_err());
        assert!(shows(&ends(&["exit"]), &run(&exited(3), "")).is_err());
        assert!(shows(&ends(&["memory"]), &run(&exited(0), "")).is_ok());
        assert!(shows(&ends(&["memory"]), &run(&json!({"how": "limit_reached", "limit": "memory"}), "")).is_err());
    }

    #[test]
    fn long_words_are_cut_and_lines_joined() {
        assert_eq!(shortened(" a\nb\u{1b}[c "), "a b [c");
        assert_eq!(shortened(&"é".repeat(500)).chars().count(), WORDS + 1);
    }
}
