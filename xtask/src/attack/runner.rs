//! Runs attacks inside the world that was made for them, several at a time, and looks at what they left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::header::{Attack, Control, Variant};
use super::neighbour::Neighbour;
use super::oracle::{Snapshot, Watched};
use super::process::{MARK, USER, as_user, finish, kill_marked, missing, plain};
use super::report::{ControlResult, Findings, Outcome};
use super::served::{Server, quoted};
use super::verdict::{End, Verdict, judge, shortened, shows};
use super::world::{Orders, PROGRAMS, STAGE};

/// Runs between two looks at the machine.
const BATCH: usize = 16;
/// Servers that live at the same time.
const SERVERS: usize = 8;
/// Sandboxes of a server that sandboxed attacks go through: one for each of them, one for the neighbour.
const POOL: usize = 4;
/// Times that an attack must hold, alone, when it was not sure whether it did: a busy machine can keep a program from its end.
const AGAIN: usize = 2;
/// Times that a control may fail to get through: some are races.
const RACES: usize = 3;
/// Time of a sandboxed program that names none.
const WALL_TIME: &str = "10s";

/// Settings of a server that is attacked from outside: small limits, so that they are reached soon.
const SMALL: [&str; 12] = [
    "execute.archive_timeout=5s",
    "server.max_connections=64",
    "server.header_timeout=2s",
    "server.body_idle_timeout=2s",
    "server.body_timeout=6s",
    "server.write_timeout=2s",
    "server.grace_period=5s",
    "execute.max_upload=4M",
    "execute.max_unpacked=16M",
    "execute.max_archive_entries=2000",
    "execute.sandbox.memory=128M",
    "execute.timeout=4s",
];

/// One run of one attack.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    attack: &'a Attack,
    variant: Variant,
}

/// What a server is started with.
type Kind = (bool, Vec<String>);

struct Runner<'a> {
    orders: &'a Orders,
    belljar: PathBuf,
    servers: BTreeMap<Kind, Server>,
    /// For names of directories.
    number: AtomicUsize,
    done: AtomicUsize,
    all: usize,
}

/// Runs everything; each finding is printed to standard error as it comes, if that is wanted.
///
/// # Errors
///
/// No sandbox can be made at all, or no server.
pub(crate) fn run(orders: &Orders) -> Result<Findings> {
    let belljar = Path::new(STAGE).join("bin/belljar");
    let tried = as_user(&belljar, true).args(["run", "--", "/bin/true"]).output().context("cannot start belljar")?;
    ensure!(tried.status.success(), "no sandboxes here: {}", shortened(&String::from_utf8_lossy(&tried.stderr)));
    let mut findings = Findings::default();
    let impossible = impossible(&belljar);
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for attack in &orders.attacks {
        if let Some(reason) = need(attack) {
            findings.outcomes.extend(wanted(orders, attack).map(|variant| Outcome::not_run(attack, variant, &reason)));
            continue;
        }
        for variant in wanted(orders, attack).filter(|variant| possible(attack, *variant)) {
            match impossible.get(&variant) {
                Some(reason) => findings.outcomes.push(Outcome::not_run(attack, variant, reason)),
                None => jobs.push(Job { attack, variant }),
            }
        }
    }
    // Those that share a server come together; those that need none first.
    jobs.sort_by_key(|job| (job.attack.on_host, kind(job), job.attack.name.clone()));
    let mut runner = Runner {
        orders,
        belljar,
        servers: BTreeMap::new(),
        number: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        all: jobs.len(),
    };
    for batch in runner.batches(&jobs) {
        runner.batch(&batch, &mut findings)?;
    }
    runner.servers.clear();
    runner.controls(&mut findings);
    Ok(findings)
}

fn wanted<'a>(orders: &'a Orders, attack: &'a Attack) -> impl Iterator<Item = Variant> + 'a {
    attack
        .variants
        .iter()
        .copied()
        .filter(|variant| orders.options.variants.is_empty() || orders.options.variants.contains(variant))
}

/// Ways of running belljar that this machine does not have, each with the reason.
fn impossible(belljar: &Path) -> BTreeMap<Variant, String> {
    let mut impossible = BTreeMap::new();
    for variant in [Variant::Strict, Variant::Unprivileged] {
        let preset = if variant == Variant::Strict { "strict" } else { "standard" };
        let mut command = as_user(belljar, variant.privileged());
        let reason = match command.args(["run", "--preset", preset, "--", "/bin/true"]).output() {
            Ok(output) if output.status.success() => continue,
            Ok(output) => shortened(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => error.to_string(),
        };
        if variant == Variant::Unprivileged {
            impossible.insert(Variant::ServerUnprivileged, reason.clone());
        }
        impossible.insert(variant, reason);
    }
    impossible
}

/// What an attack needs and is not there.
fn need(attack: &Attack) -> Option<String> {
    let compiler = (attack.kind() == "c").then(|| "gcc".to_owned());
    let interpreter = (attack.kind() == "py").then(|| "python3".to_owned());
    let mut needs = attack.needs.iter().cloned().chain(compiler).chain(interpreter);
    needs.find(|need| need != "root" && missing(need)).map(|need| format!("{need} is not installed"))
}

/// The settings that mean what the options mean; none if there are none that do.
fn settings(flags: &[String]) -> Option<Vec<String>> {
    let mut settings = Vec::new();
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let value = flags.next()?;
        let key = match flag.as_str() {
            "--memory" => "execute.sandbox.memory",
            "--swap" => "execute.sandbox.swap",
            "--processes" => "execute.sandbox.processes",
            "--output" => "execute.sandbox.output",
            "--disk" => "execute.sandbox.disk",
            "--inodes" => "execute.sandbox.files",
            "--file-size" => "execute.sandbox.file_size",
            "--open-files" => "execute.sandbox.open_files",
            "--cpu-time" => "execute.sandbox.cpu_time",
            "--wall-time" => "execute.timeout",
            _ => return None,
        };
        settings.push(format!("{key}={value}"));
    }
    settings.sort();
    Some(settings)
}

/// Whether the options of an attack can be given in this variant.
fn possible(attack: &Attack, variant: Variant) -> bool {
    attack.on_host || !variant.served() || settings(&attack.flags).is_some()
}

fn kind(job: &Job<'_>) -> Option<Kind> {
    if job.attack.on_host || !job.variant.served() {
        return None;
    }
    Some((job.variant.privileged(), settings(&job.attack.flags)?))
}

impl Runner<'_> {
    fn batches<'j>(&self, jobs: &[Job<'j>]) -> Vec<Vec<Job<'j>>> {
        let mut batches: Vec<Vec<Job<'_>>> = Vec::new();
        for job in jobs {
            let fits = |batch: &Vec<Job<'_>>| {
                let mut kinds: Vec<_> = batch.iter().filter_map(kind).chain(kind(job)).collect();
                kinds.dedup();
                // Programs on the host have a server each, and start others.
                batch.len() < self.orders.options.batch.min(BATCH)
                    && kinds.len() <= SERVERS
                    && batch[0].attack.on_host == job.attack.on_host
            };
            match batches.last_mut() {
                Some(batch) if fits(batch) => batch.push(*job),
                _ => batches.push(vec![*job]),
            }
        }
        batches
    }

    fn directory(&self, name: &str) -> PathBuf {
        Path::new(STAGE).join("work").join(format!("{name}-{}", self.number.fetch_add(1, Ordering::Relaxed)))
    }

    /// Servers that these jobs need, and no others.
    fn serve(&mut self, jobs: &[Job<'_>]) -> Result<()> {
        let kinds: Vec<Kind> = jobs.iter().filter_map(kind).collect();
        self.servers.retain(|kind, server| kinds.contains(kind) && server.lives());
        for (privileged, settings) in kinds {
            if self.servers.contains_key(&(privileged, settings.clone())) {
                continue;
            }
            let mut all = settings.clone();
            all.push(format!("execute.libraries.directory={PROGRAMS}"));
            all.push("execute.wait_for_sandbox=60s".to_owned());
            if !all.iter().any(|setting| setting.starts_with("execute.timeout=")) {
                all.push(format!("execute.timeout={WALL_TIME}"));
            }
            let server = Server::start(&self.belljar, &self.directory("server"), privileged, POOL, &all)?;
            // Once, so that whatever is made at first use is there.
            server.probe().context("before any attack")?;
            self.servers.insert((privileged, settings), server);
        }
        Ok(())
    }

    fn watched(&self) -> Watched {
        let mut watched = Watched {
            trees: ["/etc", "/dev/shm", "/var/tmp"].map(PathBuf::from).to_vec(),
            listings: ["/", STAGE, "/home", "/root", "/mnt", PROGRAMS, "/dev"].map(PathBuf::from).to_vec(),
            groups: self.orders.groups.clone(),
            processes: Vec::new(),
        };
        for server in self.servers.values() {
            watched.listings.extend(server.listings());
            watched.processes.push(server.id());
        }
        watched
    }

    /// Runs a batch, and says what it changed. What changed something is run again alone, to find out which it was.
    fn batch(&mut self, jobs: &[Job<'_>], findings: &mut Findings) -> Result<()> {
        let (outcomes, changes) = self.observed(jobs)?;
        if changes.is_empty() {
            let unclear = |outcome: &Outcome| matches!(outcome.verdict, Verdict::Unclear(_));
            let (again, sure): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(unclear);
            findings.outcomes.extend(sure);
            let is_of =
                |outcome: &Outcome, job: &Job<'_>| outcome.attack == job.attack.name && outcome.variant == job.variant;
            for job in jobs.iter().filter(|job| again.iter().any(|outcome| is_of(outcome, job))) {
                findings.outcomes.extend(self.alone(*job, AGAIN)?);
            }
            return Ok(());
        }
        eprintln!("looking for who changed something: {}", changes.join("; "));
        let mut found = false;
        for job in jobs {
            let outcomes = self.alone(*job, 1)?;
            found |= outcomes.iter().any(|outcome| !outcome.changes.is_empty());
            findings.outcomes.extend(outcomes);
        }
        if !found {
            let names: Vec<_> = jobs.iter().map(|job| format!("{} ({})", job.attack.name, job.variant)).collect();
            findings.disturbances.push(format!("{} — during: {}", changes.join("; "), names.join(", ")));
        }
        Ok(())
    }

    /// Runs one job by itself, several times; tells of the first time that something is wrong, or else of the last.
    fn alone(&mut self, job: Job<'_>, times: usize) -> Result<Vec<Outcome>> {
        for left in (0..times).rev() {
            let (outcomes, changes) = self.observed(&[job])?;
            let held = changes.is_empty() && outcomes.iter().all(|outcome| outcome.verdict.held());
            if !held || left == 0 {
                return Ok(outcomes.into_iter().map(|outcome| outcome.with_changes(&changes)).collect());
            }
        }
        Ok(Vec::new())
    }

    /// Runs jobs between two looks at the machine.
    fn observed(&mut self, jobs: &[Job<'_>]) -> Result<(Vec<Outcome>, Vec<String>)> {
        self.serve(jobs)?;
        let neighbour =
            jobs.iter().any(|job| !job.variant.served()).then(|| Neighbour::start(&self.belljar)).transpose()?;
        let watched = self.watched();
        for server in self.servers.values() {
            server.wait_for_idle()?;
        }
        let before = settled(&watched);
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(Vec::new());
        // Programs on the host wait more than they work.
        let workers = self.orders.options.jobs * if jobs.iter().all(|job| job.attack.on_host) { 2 } else { 1 };
        thread::scope(|scope| {
            for _ in 0..workers.min(jobs.len()) {
                scope.spawn(|| {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let began = Instant::now();
                        let verdict = self.one(job);
                        let number = self.done.fetch_add(1, Ordering::Relaxed) + 1;
                        let outcome = Outcome::new(job.attack, job.variant, verdict, began.elapsed());
                        // Elsewhere only what is wrong is worth a line before the table.
                        if self.orders.options.progress || !outcome.verdict.held() {
                            eprintln!("[{number}/{}] {outcome}", self.all);
                        }
                        if let Ok(mut outcomes) = outcomes.lock() {
                            outcomes.push(outcome);
                        }
                    }
                });
            }
        });
        let mut changes: Vec<String> = Vec::new();
        for server in self.servers.values_mut() {
            if !server.lives() {
                changes.push(format!("the server ended: {}", server.log()));
            } else if let Err(error) =
                server.wait_for_idle().and_then(|()| server.probe()).and_then(|()| server.wait_for_idle())
            {
                changes.push(format!("the next request: {error:#}"));
            }
        }
        changes.extend(watched.changes_since(&before));
        if let Some(Err(error)) = neighbour.map(Neighbour::stop) {
            changes.push(format!("the neighbour: {error:#}"));
        }
        Ok((outcomes.into_inner().unwrap_or_default(), changes))
    }

    fn one(&self, job: &Job<'_>) -> Verdict {
        let done = match (job.attack.on_host, kind(job)) {
            (true, _) => return self.on_host(job),
            (false, Some(kind)) => match self.servers.get(&kind) {
                Some(server) => self.through(server, job.attack),
                None => Err(anyhow::anyhow!("no server")),
            },
            (false, None) => self.run(job, &[]),
        };
        match done {
            Ok(end) => judge(&job.attack.ends, &end),
            Err(error) => Verdict::Unclear(format!("{error:#}")),
        }
    }

    fn patience(attack: &Attack) -> Duration {
        Duration::from_secs(attack.timeout)
    }

    /// `belljar run`.
    fn run(&self, job: &Job<'_>, more: &[String]) -> Result<End> {
        let mut command = as_user(&self.belljar, job.variant.privileged());
        command.args(["run", "--json", "--preset"]).arg(if job.variant == Variant::Strict {
            "strict"
        } else {
            "standard"
        });
        if !job.attack.flags.iter().any(|flag| flag == "--wall-time") {
            command.args(["--wall-time", WALL_TIME]);
        }
        command.args(["--workdir", "/home/student", "--dir", PROGRAMS]).args(&job.attack.flags).args(more);
        command.arg("--").args(job.attack.argv(PROGRAMS));
        let (_, stdout, stderr) = finish(command, Self::patience(job.attack))?;
        let outcome: Value =
            serde_json::from_str(&stdout).with_context(|| format!("no JSON: {}", shortened(&stderr)))?;
        Ok(End::of_run(&outcome))
    }

    /// A request, and one after it that finds nothing of it.
    fn through(&self, server: &Server, attack: &Attack) -> Result<End> {
        let (status, answer) = server.execute(&quoted(&attack.argv("/utils/libs")), 600.0, Self::patience(attack))?;
        server.probe().context("the next request")?;
        Ok(End::of_answer(status, &answer))
    }

    /// A program beside a server of its own.
    fn on_host(&self, job: &Job<'_>) -> Verdict {
        self.beside(job).unwrap_or_else(|error| Verdict::Unclear(format!("{error:#}")))
    }

    fn beside(&self, job: &Job<'_>) -> Result<Verdict> {
        let privileged = job.variant.privileged();
        let settings = SMALL.map(str::to_owned);
        let mut server = Server::start(&self.belljar, &self.directory("server"), privileged, 2, &settings)?;
        server.probe().context("before the attack")?;
        server.wait_for_idle()?;
        let watched = Watched { listings: server.listings(), processes: vec![server.id()], ..Watched::default() };
        let before = held_by(&watched, server.id());
        let end = self.program(job, Some(&server))?;
        let verdict = judge(&job.attack.ends, &end);
        if !verdict.held() {
            return Ok(verdict);
        }
        ensure!(server.lives(), "the server ended: {}", server.log());
        server.wait_for_idle().and_then(|()| server.probe()).context("the next request")?;
        server.wait_for_idle()?;
        // Connections end in their own time.
        let began = Instant::now();
        while let more = held_by(&watched, server.id()).difference(&before).cloned().collect::<Vec<_>>()
            && !more.is_empty()
        {
            if began.elapsed() > Duration::from_secs(10) {
                return Ok(Verdict::Broke(format!("left in the server: {}", more.join(", "))));
            }
            thread::sleep(Duration::from_millis(20));
        }
        let directory = server.directory.clone();
        server.stop().context("stopping the server")?;
        ensure!(!directory.exists(), "the server's directory is left");
        Ok(verdict)
    }

    /// A program on the host, in a directory of its own.
    fn program(&self, job: &Job<'_>, server: Option<&Server>) -> Result<End> {
        let directory = self.directory("host");
        fs::create_dir(&directory)?;
        let privileged = job.variant.privileged();
        if !privileged {
            rustix::fs::chown(
                &directory,
                Some(rustix::fs::Uid::from_raw(USER)),
                Some(rustix::fs::Gid::from_raw(USER)),
            )?;
        }
        let argv = job.attack.argv(PROGRAMS);
        let mut command = as_user(Path::new(&argv[0]), privileged);
        command.args(&argv[1..]).current_dir(&directory).env("HOME", &directory).env("TMPDIR", &directory);
        command
            .env("BELLJAR", &self.belljar)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONPATH", format!("{PROGRAMS}/lib"));
        match server {
            Some(server) => {
                command
                    .env("BELLJAR_URL", format!("http://{}", server.address))
                    .env("BELLJAR_SERVER_PID", server.id().to_string());
            }
            None => {
                command.env("ATTACK_CONTROL", "1").env(MARK, &directory);
            }
        }
        let done = finish(command, Self::patience(job.attack));
        if server.is_none() {
            // Weak things leave processes behind.
            kill_marked(&directory);
        }
        let removed = fs::remove_dir_all(&directory);
        let (status, stdout, stderr) = done?;
        removed.context("its directory cannot be removed")?;
        Ok(End::of_process(status, stdout, &stderr))
    }

    /// Shows of each attack that it can succeed.
    fn controls(&self, findings: &mut Findings) {
        let attacks: Vec<_> = self.orders.attacks.iter().filter(|attack| need(attack).is_none()).collect();
        let next = AtomicUsize::new(0);
        let results = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..self.orders.options.jobs {
                scope.spawn(|| {
                    while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let mut tries = (1..RACES).map(|_| self.control(attack));
                        let result = tries.find(|result| !matches!(result, ControlResult::CannotFail(_)));
                        let result = result.unwrap_or_else(|| self.control(attack));
                        if self.orders.options.progress || matches!(result, ControlResult::CannotFail(_)) {
                            eprintln!("control of {}: {result}", attack.name);
                        }
                        if let Ok(mut results) = results.lock() {
                            results.insert(attack.name.clone(), result);
                        }
                    }
                });
            }
        });
        findings.controls = results.into_inner().unwrap_or_default();
    }

    fn control(&self, attack: &Attack) -> ControlResult {
        let variant = attack.variants.iter().copied().find(|variant| !variant.served() && *variant != Variant::Strict);
        let job = Job { attack, variant: variant.unwrap_or(Variant::Standard) };
        let end = match &attack.control {
            Control::HostUnsafe(why) => return ControlResult::NotShown(why.clone()),
            Control::Without(layers) => {
                let off =
                    layers.iter().flat_map(|layer| ["--layer".to_owned(), format!("{layer}=off")]).collect::<Vec<_>>();
                self.run(&job, &off)
            }
            Control::Plain => self.plainly(&job),
            Control::Own if attack.on_host => self.program(&job, None),
            Control::Own => self.run(&job, &["--env".to_owned(), "ATTACK_CONTROL=1".to_owned()]),
        };
        match end.map_err(|error| format!("{error:#}")).and_then(|end| shows(&attack.ends, &end)) {
            Ok(what) => ControlResult::Succeeded(what),
            Err(what) => ControlResult::CannotFail(what),
        }
    }

    /// As a plain process of an ordinary user, in namespaces of its own.
    fn plainly(&self, job: &Job<'_>) -> Result<End> {
        let directory = self.directory("plain");
        fs::create_dir(&directory)?;
        rustix::fs::chown(&directory, Some(rustix::fs::Uid::from_raw(USER)), Some(rustix::fs::Gid::from_raw(USER)))?;
        let mut command = plain("unshare");
        command.args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--ipc",
            "--uts",
            "--net",
            "--",
            "setpriv",
        ]);
        let user = USER.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).args(job.attack.argv(PROGRAMS));
        command.current_dir(&directory).env("HOME", &directory);
        let done = finish(command, Duration::from_secs(15));
        let _ = fs::remove_dir_all(&directory);
        let (status, stdout, stderr) = done?;
        Ok(End::of_process(status, stdout, &stderr))
    }
}

/// Looks until two looks are the same: what was started just now is still on its way.
fn settled(watched: &Watched) -> Snapshot {
    let mut before = watched.look();
    for _ in 0..40 {
        thread::sleep(Duration::from_millis(20));
        let after = watched.look();
        let calm = before.changes(&after).is_empty();
        before = after;
        if calm {
            break;
        }
    }
    before
}

/// What a server holds: files of callers by name, and sockets, as many as there are.
fn held_by(watched: &Watched, pid: u32) -> BTreeSet<String> {
    let names = watched.listings.iter().filter(|directory| !directory.ends_with("data"));
    let entries = names.flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
    let mut held: BTreeSet<String> = entries.map(|entry| entry.path().display().to_string()).collect();
    let targets = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = targets.filter_map(|entry| fs::read_link(entry.path()).ok());
    let sockets = targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count();
    held.extend((1..=sockets).map(|number| format!("socket {number}")));
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_settings_where_there_are_such() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            settings(&words("--wall-time 2s --memory 64M")),
            Some(words("execute.sandbox.memory=64M execute.timeout=2s"))
        );
        assert_eq!(settings(&[]), Some(Vec::new()));
        for text in ["--user root", "--net host", "--memory"] {
            assert_eq!(settings(&words(text)), None, "{text}");
        }
    }
}
