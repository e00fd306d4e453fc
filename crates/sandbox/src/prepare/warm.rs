//! A warm interpreter: its command line, its script, and the spawner's last plan in a form that the script can carry out.
//!
//! The script is Python, so that no machine code of ours has to get into an interpreter of whatever build. What it does as a fork gives
//! everything up is nevertheless not decided by it: it gets the very steps of the spawner, as system calls with all arguments.

use std::ffi::{CStr, CString};
use std::fmt::Write;
use std::path::Path;

use belljar_sys::init::ZYGOTE_SOCKET;
use belljar_sys::plan::{Entry, Slot, Step};
use belljar_sys::seccomp::Instruction;
use belljar_sys::wire::MAX_PACKET;

use super::root::Root;
use super::{inside, path_text, slot, text};
use crate::error::SandboxError;
use crate::layer::{Layer, Strictness};
use crate::machine::Machine;
use crate::policy::{Policy, Rootfs, User, Warm};

const SCRIPT: &str = include_str!("warm.py");
/// Where the script is, for the init and the zygote only: runs have their own `/run`.
const DIRECTORY: &str = "run/warm";
/// The program of the interpreter's first command line, and its argument. It is never run.
const PLACEHOLDER: &str = "belljar-warm";
/// Users that a zygote has to itself. The second is for policies whose programs have the first.
const USERS: [User; 2] = [User { uid: 65_533, gid: 65_533 }, User { uid: 65_532, gid: 65_532 }];
/// What forks need until they have given everything up: to enter namespaces (`CAP_SYS_ADMIN`, `CAP_SYS_CHROOT`), to become the user
/// (`CAP_SETUID`, `CAP_SETGID`); and the zygote to end others' processes (`CAP_KILL`).
pub(super) const CAPABILITIES: u64 = 1 << 21 | 1 << 18 | 1 << 7 | 1 << 6 | 1 << 5;

/// See [`belljar_sys::init::Warm`].
#[derive(Debug)]
pub(crate) struct WarmPlan {
    pub(crate) program: CString,
    pub(crate) arguments: Vec<CString>,
    pub(crate) variables: Vec<CString>,
    pub(crate) directory: CString,
    pub(crate) user: Option<(u32, u32)>,
    pub(crate) stack: u64,
}

/// Prepares the warm interpreter of a policy, if it has one, and puts its files into the root directory.
pub(super) fn prepare(
    policy: &Policy,
    machine: &Machine,
    namespaces: u64,
    drop: &[Entry<CString>],
    filter: &[Instruction],
    root: &mut Root,
) -> Result<Option<WarmPlan>, SandboxError> {
    let Some(warm) = &policy.warm else { return Ok(None) };
    check(policy, warm)?;
    let plan = plan(policy, warm, namespaces, drop, filter)?;
    root.steps.root(Step::MakeDirectory { at: slot::ROOT, path: text(DIRECTORY)?, mode: 0o755 });
    for (name, content) in [("usercustomize.py", SCRIPT), ("plan", &plan)] {
        let path = text(format!("{DIRECTORY}/{name}"))?;
        root.steps.root(Step::MakeFile { at: slot::ROOT, path, mode: 0o644, content: text(content)? });
    }
    let mut variables = Vec::new();
    for (name, value) in policy.environment.iter().filter(|(name, _)| *name != "PYTHONPATH") {
        variables.push(text(format!("{name}={value}"))?);
    }
    let path = policy.environment.get("PYTHONPATH").map_or_else(String::new, |path| format!(":{path}"));
    variables.push(text(format!("PYTHONPATH=/{DIRECTORY}{path}"))?);
    let program = path_text(&warm.program)?;
    let user = USERS.into_iter().find(|user| user.uid != policy.user.uid && user.gid != policy.user.gid);
    Ok(Some(WarmPlan {
        arguments: vec![program.clone(), text("-c")?, text(PLACEHOLDER)?, text(PLACEHOLDER)?],
        program,
        variables,
        directory: path_text(&policy.work_directory)?,
        user: user.filter(|_| machine.privileged).map(|user| (user.uid, user.gid)),
        stack: policy.limits.stack.min(machine.hard_limit(libc::RLIMIT_STACK)),
    }))
}

fn check(policy: &Policy, warm: &Warm) -> Result<(), SandboxError> {
    let refused = |why: String| Err(SandboxError::Policy(format!("warm interpreter: {why}")));
    inside(&warm.program)?;
    if policy.rootfs == Rootfs::Host && !Path::new(&warm.program).exists() {
        return refused(format!("'{}' does not exist", warm.program.display()));
    }
    if let Some(name) = warm.imports.iter().find(|name| !Warm::is_module_name(name)) {
        return refused(format!("'{name}' is not the name of a module"));
    }
    if policy.strictness(Layer::Privileges) == Strictness::Off {
        // Its forks would keep the capabilities that it needs.
        return refused(format!("the layer '{}' cannot be switched off with it", Layer::Privileges.name()));
    }
    if policy.limits.processes < Warm::MIN_PROCESSES {
        return refused(format!("it needs a limit of at least {} processes", Warm::MIN_PROCESSES));
    }
    Ok(())
}

/// What the script reads: a Python literal.
fn plan(
    policy: &Policy,
    warm: &Warm,
    namespaces: u64,
    drop: &[Entry<CString>],
    filter: &[Instruction],
) -> Result<String, SandboxError> {
    let owned = |kind: i32| if namespaces & u64::from(kind.unsigned_abs()) == 0 { 0 } else { kind };
    let imports: Vec<_> = warm.imports.iter().map(|name| format!("'{name}',")).collect();
    let environment =
        policy.environment.iter().map(|(name, value)| literal(format!("{name}={value}").as_bytes()) + ",");
    let calls = [
        ("madvise", libc::SYS_madvise),
        ("prctl", libc::SYS_prctl),
        ("setns", libc::SYS_setns),
        ("rt_sigaction", libc::SYS_rt_sigaction),
        ("rt_sigprocmask", libc::SYS_rt_sigprocmask),
        ("close_range", libc::SYS_close_range),
        ("prlimit64", libc::SYS_prlimit64),
    ];
    let calls: Vec<_> = calls.into_iter().map(|(name, number)| format!("'{name}': {number},")).collect();
    let mut steps = String::new();
    for entry in drop {
        // A spawner does this for itself, and its programs do not inherit it.
        if entry.step == Step::DieWithParent {
            continue;
        }
        let required = if entry.required { "True" } else { "False" };
        let calls = transcribe(&entry.step, filter)?.into_iter().map(|call| call.literal()).collect::<String>();
        let _ = writeln!(steps, "({}, {required}, ({calls})),", entry.layer);
    }
    Ok(format!(
        "{{'imports': ({}), 'socket': {ZYGOTE_SOCKET}, 'placeholder': '{PLACEHOLDER}', 'program': {}, 'max_packet': {MAX_PACKET},\n\
         'owns': {{'mounts': {}, 'ipc': {}, 'net': {}}}, 'set_dumpable': {}, 'limit_cpu': {}, 'populate': {}, 'environment': ({}),\n'calls': {{{}}}, 'drop': (\n{steps})}}\n",
        imports.concat(),
        literal(path_text(&warm.program)?.to_bytes()),
        libc::CLONE_NEWNS,
        owned(libc::CLONE_NEWIPC),
        owned(libc::CLONE_NEWNET),
        libc::PR_SET_DUMPABLE,
        libc::RLIMIT_CPU,
        libc::MADV_POPULATE_WRITE,
        environment.collect::<String>(),
        calls.concat(),
    ))
}

/// An argument of a system call.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Argument {
    Number(i64),
    /// The address of these bytes.
    Bytes(Vec<u8>),
    /// The descriptor in a slot.
    Slot(Slot),
    /// The address of a structure of these parts.
    Structure(Vec<Part>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    /// The descriptor in a slot, as an int.
    Slot(Slot),
    /// The address of these bytes.
    Pointer(Vec<u8>),
}

/// A system call, and the slot that its result goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    number: i64,
    arguments: Vec<Argument>,
    into: Option<Slot>,
}

impl Call {
    fn literal(self) -> String {
        let arguments: String = self.arguments.iter().map(|argument| argument.literal() + ",").collect();
        let into = self.into.map_or_else(|| "None".to_owned(), |slot| slot.0.to_string());
        format!("({}, ({arguments}), {into}),", self.number)
    }
}

impl Argument {
    fn literal(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Bytes(bytes) => literal(bytes),
            Self::Slot(slot) => format!("('slot', {})", slot.0),
            Self::Structure(parts) => {
                let parts: String = parts
                    .iter()
                    .map(|part| match part {
                        Part::Bytes(bytes) => literal(bytes) + ",",
                        Part::Slot(slot) => format!("('slot', {}),", slot.0),
                        Part::Pointer(bytes) => format!("('pointer', {}),", literal(bytes)),
                    })
                    .collect();
                format!("('structure', ({parts}))")
            }
        }
    }
}

fn literal(bytes: &[u8]) -> String {
    let mut text = "b'".to_owned();
    for byte in bytes {
        let _ = write!(text, "\\x{byte:02x}");
    }
    text + "'"
}

/// The system calls of a step, as `sys::plan` makes them.
fn transcribe(step: &Step<CString>, filter: &[Instruction]) -> Result<Vec<Call>, SandboxError> {
    use Argument::{Bytes, Number, Slot as In, Structure};
    let number = |value: u64| Number(value.cast_signed());
    let string = |text: &CStr| Bytes(text.to_bytes_with_nul().to_vec());
    let call = |number: i64, arguments: Vec<Argument>| Call { number, arguments, into: None };
    let prctl = |option: i32, value: u64| {
        call(libc::SYS_prctl, vec![Number(option.into()), number(value), Number(0), Number(0), Number(0)])
    };
    let open = |path: &CStr, flags: i32, into: Slot| Call {
        into: Some(into),
        ..call(
            libc::SYS_openat,
            vec![Number(libc::AT_FDCWD.into()), string(path), Number((flags | libc::O_CLOEXEC).into()), Number(0)],
        )
    };
    let close = |slot: Slot| call(libc::SYS_close, vec![In(slot)]);
    let words = |values: &[u64]| values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<u8>>();
    Ok(match step {
        Step::ChangeDirectory(path) => vec![call(libc::SYS_chdir, vec![string(path)])],
        Step::NewSession => vec![call(libc::SYS_setsid, vec![])],
        Step::NewKeyring => {
            const JOIN_SESSION_KEYRING: i64 = 1;
            vec![call(libc::SYS_keyctl, vec![Number(JOIN_SESSION_KEYRING), Number(0)])]
        }
        Step::SetUmask(mask) => vec![call(libc::SYS_umask, vec![Number((*mask).into())])],
        Step::SetIds { uid, gid } => {
            let thrice = |id: u32| vec![Number(id.into()); 3];
            vec![call(libc::SYS_setresgid, thrice(*gid)), call(libc::SYS_setresuid, thrice(*uid))]
        }
        Step::SetDumpable(dumpable) => vec![prctl(libc::PR_SET_DUMPABLE, (*dumpable).into())],
        Step::NoNewPrivileges => vec![prctl(libc::PR_SET_NO_NEW_PRIVS, 1)],
        Step::WriteFile { path, content } => {
            let bytes = content.to_bytes();
            let length = Number(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
            let write = call(libc::SYS_write, vec![In(slot::TREE), Bytes(bytes.to_vec()), length]);
            vec![open(path, libc::O_WRONLY, slot::TREE), write, close(slot::TREE)]
        }
        Step::ClearCapabilities => {
            const VERSION_3: u32 = 0x2008_0522;
            let header = [VERSION_3.to_ne_bytes(), [0; 4]].concat();
            vec![call(libc::SYS_capset, vec![Bytes(header), Bytes(vec![0; 24])])]
        }
        Step::SetLimit { resource, value } => {
            let limit = Bytes(words(&[*value, *value]));
            vec![call(libc::SYS_prlimit64, vec![Number(0), Number((*resource).into()), limit, Number(0)])]
        }
        Step::CreateRuleset { files, scoped, into } => {
            let length = if *scoped == 0 { 8 } else { 24 };
            let attributes = Bytes(words(&[*files, 0, *scoped]));
            let create = call(libc::SYS_landlock_create_ruleset, vec![attributes, Number(length), Number(0)]);
            vec![Call { into: Some(*into), ..create }]
        }
        Step::AddPathRule { ruleset, path, access } => {
            const PATH_BENEATH: i64 = 1;
            let rule = Structure(vec![Part::Bytes(words(&[*access])), Part::Slot(slot::TREE)]);
            let add = call(libc::SYS_landlock_add_rule, vec![In(*ruleset), Number(PATH_BENEATH), rule, Number(0)]);
            vec![open(path, libc::O_PATH, slot::TREE), add, close(slot::TREE)]
        }
        Step::RestrictSelf(ruleset) => {
            vec![call(libc::SYS_landlock_restrict_self, vec![In(*ruleset), Number(0)]), close(*ruleset)]
        }
        Step::InstallFilter => {
            let count =
                u16::try_from(filter.len()).map_err(|_| SandboxError::Policy("the filter is too long".to_owned()))?;
            let mut code = Vec::with_capacity(size_of_val(filter));
            for instruction in filter {
                code.extend(instruction.code.to_ne_bytes());
                code.extend([instruction.jt, instruction.jf]);
                code.extend(instruction.k.to_ne_bytes());
            }
            // struct sock_fprog: a short, then a pointer at its own alignment.
            let head = [&count.to_ne_bytes()[..], &[0; 6]].concat();
            let program = Structure(vec![Part::Bytes(head), Part::Pointer(code)]);
            vec![call(libc::SYS_seccomp, vec![Number(libc::SECCOMP_SET_MODE_FILTER.into()), Number(0), program])]
        }
        other => {
            let why = format!("a warm interpreter cannot carry out '{}'", other.name());
            return Err(SandboxError::Policy(why));
        }
    })
}
