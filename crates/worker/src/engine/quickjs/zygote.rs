//! The process that an app is loaded in once, and that is then forked for each message.
//!
//! It has one thread and runs inside the app's sandbox. Scripts run in it only while they load; from then on it forks, kills and reaps.
//! Its standard input is the packet socket to the worker.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use belljar_sys::{SingleThreaded, call};

use super::app::{App, Deadline, Fatal};
use super::child::{self, Prepared};
use super::code;
use super::fresh::Extent;
use super::wire::{self, Load, Order, Report, Used};

/// Where the program is inside of the sandbox, and so what it is called when it is to be a zygote.
pub(super) const NAME: &str = "/belljar-quickjs";

/// Becomes a zygote, and never returns, when this process was started as one. To be called first in `main`.
pub fn zygote_main_if_asked() {
    if std::env::args_os().next().is_none_or(|name| name != NAME) {
        return;
    }
    let code = match serve() {
        Ok(()) => 0,
        Err(_) => code::BROKEN,
    };
    call::exit(code);
}

/// The children that live, by process id: the worker's number, and when it was made.
type Children = HashMap<i32, (u64, u64)>;

fn serve() -> io::Result<()> {
    let socket = io::stdin();
    let socket = socket.as_fd();
    let system = |errno: belljar_sys::Errno| io::Error::from_raw_os_error(errno.0);
    let witness = SingleThreaded::check().map_err(system)?;
    // Others with our user must not look into this process.
    call::set_dumpable(false).map_err(system)?;
    call::quiet_signals();
    let ended = call::child_events().map_err(system)?;

    let Some((Order::Load, mut files)) = wire::receive(socket)? else { return Ok(()) };
    let file = files.pop().ok_or(io::ErrorKind::InvalidData)?;
    let load: Load = serde_json::from_reader(io::BufReader::new(std::fs::File::from(file)))?;
    let (app, prepared) = match prepare(&load) {
        Ok((app, prepared)) => {
            let report = Report::Loaded { extent: app.fresh.extent().min(load.extent), memory: own_memory() };
            wire::send(socket, &report, &[])?;
            (app, prepared)
        }
        Err(Fatal::Uncaught(text) | Fatal::Memory(text) | Fatal::Time(text)) => {
            return wire::send(socket, &Report::Refused(wire::cut(&text)), &[]);
        }
    };
    let mut children = Children::new();
    let mut app = Some(app);
    loop {
        // A signal may make it return early; nothing is lost by looking.
        let ready = call::poll([socket.as_raw_fd(), ended], None).unwrap_or(0b11);
        if ready & 0b10 != 0 {
            // Which child it was does not matter, and several may have become one.
            let _ = call::read(ended, &mut [0; 128]);
            reap(socket, &mut children)?;
        }
        if ready & 0b01 == 0 {
            continue;
        }
        match wire::receive(socket)? {
            Some((Order::Fork(id), streams)) => {
                let [lines, errors]: [OwnedFd; 2] = streams.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
                match belljar_sys::fork(witness) {
                    Ok(Some(pid)) => drop(children.insert(pid, (id, call::monotonic_ns()))),
                    Ok(None) => {
                        let app = app.take().expect("only a child takes it out, and it does not come back");
                        child::live(app, &load, &prepared, lines.as_raw_fd(), errors.as_raw_fd())
                    }
                    Err(errno) => wire::send(socket, &Report::Failed { id, errno: errno.0 }, &[])?,
                }
            }
            // One that has been reaped is not among them, so the number is that of our child.
            Some((Order::Kill(id), _)) => {
                let pid = children.iter().find_map(|(&pid, &(known, _))| (known == id).then_some(pid));
                if let Some(pid) = pid {
                    call::kill(pid, SIGKILL);
                }
            }
            Some((Order::Load, _)) => return Err(io::ErrorKind::InvalidData.into()),
            // The worker is gone. The children die with us.
            None => return Ok(()),
        }
    }
}

/// `SIGKILL` of signal(7).
const SIGKILL: i32 = 9;

/// Loads what is to be loaded once.
fn prepare(load: &Load) -> Result<(App, Prepared), Fatal> {
    let mut app = App::new(load)?;
    app.set_deadline(Deadline::Monotonic(call::monotonic_ns().saturating_add(load.load_ms.saturating_mul(1_000_000))));
    if load.extent > Extent::Engine {
        app.load(load)?;
        app.fresh.sleep();
        app.check_rejections()?;
        if load.extent == Extent::Libraries {
            app.forget();
        }
    }
    app.settle_memory();
    let prepared = Prepared {
        filter: belljar_sandbox::interpreter_filter(),
        allocated: app.memory(),
        address_space: pages_of_address_space().saturating_mul(rustix::param::page_size() as u64),
    };
    Ok((app, prepared))
}

fn reap(socket: std::os::fd::BorrowedFd<'_>, children: &mut Children) -> io::Result<()> {
    while let Ok(Some(child)) = call::reap(false) {
        if let Some((id, since)) = children.remove(&child.pid) {
            let usage = Used {
                user_us: child.user_us,
                system_us: child.system_us,
                wall_us: call::monotonic_ns().saturating_sub(since) / 1000,
                peak_memory: child.peak_memory,
            };
            wire::send(socket, &Report::Ended { id, status: child.status, usage }, &[])?;
        }
    }
    Ok(())
}

/// The first number of `/proc/self/statm`.
fn pages_of_address_space() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0)
}

/// This process's share of the memory that it uses, in bytes.
fn own_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1024)
}
