//! The spawner: starts programs for the init, under all filters, with the user of the programs and no privilege at all.
//!
//! It exists so that neither a fork of a larger process nor the installation of filters is in the way of a run: `vfork`, `execve`, done.
//! Programs become children of the init (`CLONE_PARENT`), so a program that kills the spawner gains nothing: the init still waits for it,
//! and forks another spawner.

use core::ffi::{CStr, c_void};

use crate::Errno;
use crate::call::{self, Fd};
use crate::process::{Memory, Newborn, Side, SingleThreaded, fork_to_parent, vfork_to_parent};
use crate::wire::{MAX_PACKET, REQUEST_BYTES, Request, RequestKind, STREAMS, StartStep, flag};

/// Argument and environment strings of one program, at most, each.
const MAX_STRINGS: usize = 4096;
/// Longest path that is tried when a program is looked up (`PATH_MAX`).
const PATH_BYTES: usize = 4096;
/// The child between `vfork` and `execve` needs little more than one path.
const STACK_BYTES: usize = 64 * 1024;
/// A page of memory on x86-64.
const PAGE: usize = 4096;

/// Bytes of an answer to the init: process id, failed step, error number.
pub(crate) const ANSWER_BYTES: usize = 12;

/// What the spawner tells the init when it could not even make a process. Where it could, [`Newborn`] says all, and nobody is woken.
/// A fork of a zygote, which shares no memory with the init, always answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// The program's process id; 0 when there is none.
    pub(crate) pid: i32,
    /// The step that failed.
    pub(crate) failed_step: u32,
    /// The error number.
    pub(crate) errno: i32,
}

impl Answer {
    fn encode(self) -> [u8; ANSWER_BYTES] {
        let mut bytes = [0; ANSWER_BYTES];
        bytes[..4].copy_from_slice(&self.pid.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.failed_step.to_ne_bytes());
        bytes[8..].copy_from_slice(&self.errno.to_ne_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: [u8; ANSWER_BYTES]) -> Self {
        let ([pid, failed_step, errno], _) = bytes.as_chunks::<4>() else {
            return Self::failed(StartStep::Spawner, Errno(libc::EBADMSG));
        };
        Self {
            pid: i32::from_ne_bytes(*pid),
            failed_step: u32::from_ne_bytes(*failed_step),
            errno: i32::from_ne_bytes(*errno),
        }
    }

    pub(crate) const fn failed(step: StartStep, errno: Errno) -> Self {
        Self { pid: 0, failed_step: step as u32, errno: errno.0 }
    }
}

/// Serves the init until it goes away.
pub(crate) fn serve(socket: Fd, packet: &mut Memory, newborn: &Newborn, once: bool, agent: fn(&[u8]) -> i32) -> ! {
    let (Ok(mut stack), Ok(mut tables)) =
        (Memory::new(STACK_BYTES), Memory::new(2 * (MAX_STRINGS + 1) * size_of::<*const u8>()))
    else {
        call::exit(1)
    };
    // The first touch of a page costs as much as a system call: better now than when somebody waits.
    packet.touch(&[0]);
    tables.touch(&[0, (MAX_STRINGS + 1) * size_of::<*const u8>()]);
    stack.touch(&[STACK_BYTES - 1, STACK_BYTES - PAGE - 1, STACK_BYTES - 2 * PAGE - 1]);
    let births = (SingleThreaded::clone_of_one(), newborn);
    if !once {
        // A program that this process became would keep them.
        call::take_short_turns(false);
    }
    // A signal of a program ends or stops this process, or is nothing; none may wait here and show in a later run (`SigQ`).
    call::unblock_signals();
    loop {
        let received = match call::receive(socket, &mut packet.bytes()[..MAX_PACKET], 0) {
            Ok(received) if received.length > 0 => received,
            Err(Errno(libc::EINTR)) => continue,
            _ => call::exit(0),
        };
        let streams = [received.descriptors[0], received.descriptors[1], received.descriptors[2]];
        let bytes = &packet.bytes()[..received.length];
        let started = match Request::decode(bytes) {
            Ok(request) if request.kind == RequestKind::Agent => {
                start_agent(births, &bytes[REQUEST_BYTES..], streams, agent)
            }
            Ok(mut request) => {
                request.flags &= if once { u64::MAX } else { !flag::ONLY };
                start_program(births, &request, &bytes[REQUEST_BYTES..], streams, &mut stack, &mut tables)
            }
            Err(errno) => Err(Answer::failed(StartStep::Arguments, errno)),
        };
        received.descriptors.into_iter().for_each(call::close);
        // The next process that is made here may be the agent of somebody else.
        packet.bytes()[..received.length].fill(0);
        if let Err(answer) = started
            && call::send(socket, &answer.encode(), &[], &[]).is_err()
        {
            call::exit(0);
        }
    }
}

/// The agent needs no `execve`: the code is here already, and nothing that it must be kept from is in this process.
fn start_agent(
    (witness, newborn): (SingleThreaded, &Newborn),
    text: &[u8],
    streams: [Fd; STREAMS],
    agent: fn(&[u8]) -> i32,
) -> Result<(), Answer> {
    match fork_to_parent(witness, newborn) {
        Ok(Side::Parent { .. }) => Ok(()),
        Err(errno) => Err(Answer::failed(StartStep::Clone, errno)),
        Ok(Side::Child) => {
            let directory = CStr::from_bytes_until_nul(text).unwrap_or_default();
            let ready = set_streams(streams)
                .and_then(|()| call::close_all_except(&[0, 1, 2]))
                .and_then(|()| if directory.is_empty() { Ok(()) } else { call::change_directory(directory) });
            let job = text.get(directory.count_bytes() + 1..).unwrap_or_default();
            call::exit(if ready.is_ok() { agent(job) } else { 125 })
        }
    }
}

/// What the child of `vfork` reads.
struct Start<'a> {
    streams: [Fd; STREAMS],
    terminal: bool,
    cpu_ns: u64,
    directory: &'a CStr,
    program: &'a CStr,
    search: &'a [u8],
    arguments: *const *const u8,
    variables: *const *const u8,
    newborn: &'a Newborn,
}

fn start_program(
    (witness, newborn): (SingleThreaded, &Newborn),
    request: &Request,
    text: &[u8],
    streams: [Fd; STREAMS],
    stack: &mut Memory,
    tables: &mut Memory,
) -> Result<(), Answer> {
    let (arguments, variables) = (request.arguments as usize, request.variables as usize);
    let too_many = Err(Answer::failed(StartStep::Arguments, Errno(libc::E2BIG)));
    if arguments == 0 || arguments > MAX_STRINGS || variables > MAX_STRINGS || text.last() != Some(&0) {
        return too_many;
    }
    let (for_arguments, for_variables) = tables.pointers().split_at_mut(MAX_STRINGS + 1);
    let mut strings = text.split_inclusive(|&byte| byte == 0);
    let mut next = || strings.next().and_then(|bytes| CStr::from_bytes_with_nul(bytes).ok());
    let Some(directory) = next() else {
        return too_many;
    };
    let mut program = c"";
    for (index, place) in for_arguments.iter_mut().take(arguments).enumerate() {
        let Some(argument) = next() else {
            return too_many;
        };
        if index == 0 {
            program = argument;
        }
        *place = argument.as_ptr().cast();
    }
    let mut search: &[u8] = b"/usr/local/bin:/usr/bin:/bin";
    for place in for_variables.iter_mut().take(variables) {
        let Some(variable) = next() else {
            return too_many;
        };
        if let Some(path) = variable.to_bytes().strip_prefix(b"PATH=") {
            search = path;
        }
        *place = variable.as_ptr().cast();
    }
    for_arguments[arguments] = core::ptr::null();
    for_variables[variables] = core::ptr::null();

    let mut start = Start {
        streams,
        terminal: request.flags & flag::TERMINAL != 0,
        cpu_ns: request.cpu_ns,
        directory,
        program,
        search,
        arguments: for_arguments.as_ptr(),
        variables: for_variables.as_ptr(),
        newborn,
    };
    if request.flags & flag::ONLY != 0 {
        newborn.note(call::process_id());
        call::exit(become_program(core::ptr::from_mut(&mut start).cast()));
    }
    match vfork_to_parent(witness, newborn, stack, become_program, &mut start) {
        Err(errno) => Err(Answer::failed(StartStep::Clone, errno)),
        Ok(_) => Ok(()),
    }
}

/// The child's side of `vfork`, or the spawner itself. The child shares the spawner's memory, so it only makes system calls.
extern "C" fn become_program(context: *mut c_void) -> i32 {
    // SAFETY: `vfork_to_parent` passes the address of a `Start` that outlives the child's use of it, and the spawner stands still.
    let start = unsafe { &mut *context.cast::<Start<'_>>() };
    if let Err((step, errno)) = prepare_and_execute(start) {
        start.newborn.fail(step as u32, errno);
    }
    127
}

fn prepare_and_execute(start: &Start<'_>) -> Result<(), (StartStep, Errno)> {
    // Each command has a session of its own: no terminal but the one it is given, and one process group to signal.
    let _ = call::new_session();
    set_streams(start.streams).map_err(|errno| (StartStep::Streams, errno))?;
    call::close_all_except(&[0, 1, 2]).map_err(|errno| (StartStep::Streams, errno))?;
    if start.terminal {
        call::take_terminal().map_err(|errno| (StartStep::Terminal, errno))?;
    }
    if start.cpu_ns > 0 {
        // A second line behind the init's own watch, which is exact and counts all processes together: this one is the
        // kernel's, for each process, in whole seconds.
        let seconds = start.cpu_ns.div_ceil(1_000_000_000) + 1;
        let _ = call::set_limit(libc::RLIMIT_CPU, seconds, seconds + 1);
    }
    if !start.directory.is_empty() {
        call::change_directory(start.directory).map_err(|errno| (StartStep::Directory, errno))?;
    }
    Err((StartStep::Execute, execute(start)))
}

fn set_streams(streams: [Fd; STREAMS]) -> Result<(), Errno> {
    // The numbers are all above 2, because the spawner's own 0, 1 and 2 are taken: none overwrites another.
    for (to, from) in (0..).zip(streams) {
        call::duplicate_to(from, to)?;
    }
    Ok(())
}

/// `execvp`, without its fallback to a shell.
fn execute(start: &Start<'_>) -> Errno {
    let execute = |path: *const u8| {
        // SAFETY: both tables hold pointers into the packet, which ends each string with a zero byte, and end with null.
        unsafe { call::execute(path, start.arguments, start.variables) }
    };
    let name = start.program.to_bytes();
    if name.contains(&b'/') || name.is_empty() {
        return execute(start.program.as_ptr().cast());
    }
    let mut error = Errno(libc::ENOENT);
    let mut path = [0_u8; PATH_BYTES];
    for directory in start.search.split(|&byte| byte == b':') {
        let directory = if directory.is_empty() { b"." } else { directory };
        let length = directory.len() + 1 + name.len();
        if length >= PATH_BYTES {
            continue;
        }
        path[..directory.len()].copy_from_slice(directory);
        path[directory.len()] = b'/';
        path[directory.len() + 1..length].copy_from_slice(name);
        path[length] = 0;
        // A look costs a tenth of an attempt.
        if !call::exists(&path) {
            continue;
        }
        match execute(path.as_ptr()) {
            Errno(libc::ENOENT | libc::ENOTDIR) => {}
            // Found but not executable: go on looking, and say so if nothing better turns up.
            Errno(libc::EACCES) => error = Errno(libc::EACCES),
            other => return other,
        }
    }
    error
}
