//! Commands on the server, and what came of them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use belljar_client::Origin;
use belljar_client::execution::{Archive, Command, Outcome, Request, Status};
use belljar_sandbox::Limit;
use serde_json::{Value, json};
use uuid::Uuid;

use super::pack::{self, MAX_ARCHIVE};
use super::server;
use crate::args::{RunRemoteArgs, SecretPlace, Variable};
use crate::ask::{block_on, plain};
use crate::exit::ExitCode;
use crate::failure::{Failure, print, say};

/// How every gzip-compressed file begins (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Runs what the arguments say, and tells what came of it.
///
/// # Errors
///
/// The arguments cannot be carried out, the server could not be asked, or it refused. What the commands do is no error.
pub(super) fn run(args: &RunRemoteArgs) -> Result<ExitCode, Failure> {
    let request = request(args)?;
    let outcome = block_on(async {
        // Before anything is packed: what is wrong with the server is known at once.
        let server = server::open(&args.server).await?;
        let archive = archive(args)?;
        server.execute(&request, archive.as_ref()).await.map_err(server::failure)
    })?;
    if let (Some(path), Some(result)) = (&args.result_to, &outcome.result) {
        fs::write(path, result).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        print(format!("{}\n", as_json(&outcome)?))?;
    } else {
        tell(&outcome, args.result_to.is_none())?;
    }
    Ok(code(&outcome))
}

fn request(args: &RunRemoteArgs) -> Result<Request, Failure> {
    let mut commands: Vec<Command> = args.lines.iter().map(|line| Command::parse(line)).collect();
    if !args.program.is_empty() {
        commands.push(Command::new(quoted(&args.program)?));
    }
    for command in &mut commands {
        command.timeout = args.wall_time;
    }
    if let Some(id) = args.environment.as_deref().filter(|id| !is_environment(id)) {
        let failure = Failure::usage(anyhow!("--environment {}: that is no id of an environment", plain(id)));
        return Err(failure.hint(
            "it looks like 39a843f6-0f46-4f90-b2af-b7724106f954; --save tells it, and --json has it as `environment`",
        ));
    }
    let mut request = Request::new(commands);
    for variable in &args.variables {
        let (name, value) = match variable {
            Variable::Set(name, value) => (name, Some(value.clone())),
            Variable::Copied(name) => (name, env::var_os(name)),
        };
        if let Some(value) = value {
            request.environ.insert(text(name, "--env")?, text(&value, "--env")?);
        }
    }
    request.environment.clone_from(&args.environment);
    request.result_path.clone_from(&args.result);
    request.save = args.save;
    Ok(request)
}

/// The protocol has text only.
fn text(text: &OsStr, what: &str) -> Result<String, Failure> {
    let found = text.to_str().map(str::to_owned);
    found.ok_or_else(|| Failure::usage(anyhow!("{what} {}: only UTF-8 can be sent", text.to_string_lossy())))
}

/// Lower-case, with dashes: what else there is no server knows.
fn is_environment(id: &str) -> bool {
    Uuid::try_parse(id).is_ok_and(|parsed| parsed.hyphenated().to_string() == id)
}

/// A program and its arguments as a line that means just them.
fn quoted(words: &[OsString]) -> Result<String, Failure> {
    let quote = |word: &OsString| {
        let word = text(word, "PROGRAM")?;
        let safe = |sign: char| sign.is_ascii_alphanumeric() || "%+,-./:=@_".contains(sign);
        let plain = !word.is_empty() && word.chars().all(safe);
        Ok(if plain { word } else { format!("'{}'", word.replace('\'', r"'\''")) })
    };
    let mut words = words.iter().map(quote).collect::<Result<Vec<_>, Failure>>()?;
    // A word with `=` before the program would be a variable.
    if let Some(program) = words.first_mut().filter(|program| program.contains('=') && !program.starts_with('\'')) {
        *program = format!("'{program}'");
    }
    Ok(words.join(" "))
}

fn archive(args: &RunRemoteArgs) -> Result<Option<Archive>, Failure> {
    if let Some(directory) = &args.dir {
        let packed = pack::pack(directory).map_err(Failure::usage)?;
        for name in &packed.left_out {
            let name = plain(&name.to_string_lossy());
            say(format_args!("warning: {name} is not sent: it is neither file nor directory nor link"));
        }
        let archive = Archive { name: "directory.tgz".to_owned(), origin: Origin::Spooled(Arc::new(packed.archive)) };
        return Ok(Some(archive));
    }
    let Some(path) = &args.archive else { return Ok(None) };
    if path.as_os_str() == "-" {
        if args.server.key == Some(SecretPlace::Stdin) {
            return Err(Failure::usage(anyhow!("standard input can be read once: --archive - or --key stdin")));
        }
        return of_stdin().map(Some);
    }
    let named = || format!("--archive {}", path.display());
    let file = File::open(path).with_context(named).map_err(Failure::usage)?;
    if !file.metadata().with_context(named)?.is_file() {
        let failure = Failure::usage(anyhow!("{}: not a file", named()));
        return Err(failure.hint("a directory is sent with --dir"));
    }
    let mut start = Vec::new();
    file.take(GZIP.len() as u64).read_to_end(&mut start).with_context(named)?;
    check(&start, path)?;
    Ok(Some(Archive::path(path)))
}

fn of_stdin() -> Result<Archive, Failure> {
    let mut input = io::stdin().lock();
    let mut start = Vec::new();
    input.by_ref().take(GZIP.len() as u64).read_to_end(&mut start).context("--archive -")?;
    check(&start, Path::new("-"))?;
    let whole = io::Cursor::new(start).chain(input);
    let origin = Origin::from_reader(whole, MAX_ARCHIVE).context("--archive -").map_err(Failure::usage)?;
    Ok(Archive { name: "stdin.tgz".to_owned(), origin })
}

/// Whether it begins as it should; servers say less about it.
fn check(start: &[u8], path: &Path) -> Result<(), Failure> {
    if start == GZIP {
        return Ok(());
    }
    let failure = Failure::usage(anyhow!("--archive {}: that is no gzip-compressed tar", path.display()));
    Err(failure.hint("make one with tar -czf FILE -C DIR . or send the directory itself with --dir DIR"))
}

/// The server's answer, with the status in words.
fn as_json(outcome: &Outcome) -> Result<Value, Failure> {
    let mut json = serde_json::to_value(outcome).context("cannot write the outcome as JSON")?;
    let word = match outcome.status {
        Status::Success => "success",
        Status::Exit(_) => "exit",
        Status::Unknown => "unknown",
        Status::Timeout => "timeout",
        Status::ResultNotFound => "result_not_found",
        Status::ResultNotUtf8 => "result_not_utf8",
        Status::Other(_) => "other",
    };
    json["outcome"] = json!(word);
    Ok(json)
}

/// Prints what the commands wrote, each stream to its own, and tells what else there is to know.
fn tell(outcome: &Outcome, with_result: bool) -> Result<(), Failure> {
    for command in &outcome.commands {
        print(ended(&command.stdout))?;
        // What becomes of it there is no reason to fail.
        let _ = io::stderr().lock().write_all(ended(&command.stderr).as_bytes());
    }
    if let Some(result) = outcome.result.as_ref().filter(|_| with_result) {
        print(result)?;
    }
    let last = outcome.commands.last().map_or("", |command| command.command.as_str());
    let last = plain(last);
    match outcome.status {
        Status::Success | Status::Exit(_) => {}
        Status::Timeout => say(format_args!("killed: '{last}' was out of time (--wall-time, or the server's limit)")),
        Status::Unknown => say(format_args!("error: '{last}' could not be executed, or what it wrote is no UTF-8")),
        Status::ResultNotFound => say("error: there is no file where --result should be, or it is too large"),
        Status::ResultNotUtf8 => say("error: the file of --result is no UTF-8; --save keeps it, to be downloaded"),
        Status::Other(code) => say(format_args!("error: the server says {code}, which is not known here")),
    }
    if let Some(id) = &outcome.environment {
        let until = outcome.expire.as_deref().map(|expire| format!(", kept until {}", plain(expire)));
        say(format_args!("saved as {}{}", plain(id), until.unwrap_or_default()));
    }
    Ok(())
}

/// What was written, with a line end, which the server takes away.
fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

fn code(outcome: &Outcome) -> ExitCode {
    let of = |status| match status {
        Status::Success => ExitCode::Success,
        Status::Exit(code) => ExitCode::Command(u8::try_from(code).unwrap_or(u8::MAX)),
        Status::Timeout => ExitCode::Limit(Limit::WallTime),
        Status::ResultNotFound | Status::ResultNotUtf8 => ExitCode::Failure,
        Status::Unknown | Status::Other(_) => ExitCode::SetupFailed,
    };
    match outcome.status {
        // What the commands did comes first. One whose failure was ignored may be the last.
        missing @ (Status::ResultNotFound | Status::ResultNotUtf8) => match outcome.commands.last() {
            Some(last) if last.exit_code != Status::Success => of(last.exit_code),
            _ => of(missing),
        },
        status => of(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_means_the_words() {
        for (words, line) in [
            (&["python3", "-c", "print(6*7)"][..], "python3 -c 'print(6*7)'"),
            (&["echo", "", "it's", "a\nb", "$HOME", "é"], "echo '' 'it'\\''s' 'a\nb' '$HOME' 'é'"),
            (&["./a-b_c.d", "x=1", "~"], "./a-b_c.d x=1 '~'"),
            (&["A=1", "x"], "'A=1' x"),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(quoted(&words).unwrap(), line);
        }
    }

    #[test]
    fn codes_are_as_documented() {
        let outcome = |status: i64, exit_code: i64| {
            let json = json!({"status": status, "total_time": 1.0,
                "execution": [{"command": "x", "exit_code": exit_code, "time": 1.0}]});
            serde_json::from_value::<Outcome>(json).unwrap()
        };
        for (status, exit_code, expected) in [
            (0, 0, 0),
            (0, 3, 0),
            (3, 3, 3),
            (255, 255, 255),
            (256, 256, 255),
            (-1, -1, 125),
            (-2, -2, 240),
            (-3, 0, 1),
            (-3, 7, 7),
            (-3, -2, 240),
            (-4, 0, 1),
            (-9, 0, 125),
        ] {
            assert_eq!(code(&outcome(status, exit_code)).number(), expected, "{status} {exit_code}");
        }
    }

    #[test]
    fn environments_are_known_by_their_ids() {
        assert!(is_environment("39a843f6-0f46-4f90-b2af-b7724106f954"));
        for id in ["", "x", "39A843F6-0F46-4F90-B2AF-B7724106F954", "39a843f60f464f90b2afb7724106f954", "../x"] {
            assert!(!is_environment(id), "{id}");
        }
    }
}
