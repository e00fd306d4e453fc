//! An app with everything it needs in JavaScript: realms, the event loop's tasks, `api`.
//!
//! Nothing here reads, writes or waits: what it wants to be written is collected, and what is to be run next is decided by
//! [`super::child`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use belljar_sys::call;
use rquickjs::context::EvalOptions;
use rquickjs::{Coerced, Context, Ctx, Error, FromJs as _, Function, Object, Persistent, Runtime, Value};

use super::fresh::Fresh;
use super::wire::Load;
use super::world;

/// What the app's script is called in stacks: Node's name for a script without a file.
const FILE_NAME: &str = "evalmachine.<anonymous>";
/// JavaScript's stack in bytes: about 10,000 calls of a small function, as many as Node's.
const STACK: usize = 2 << 20;
/// Bytes that a task may want to be written: many times what an app may write for one message by default (`recv_limit`).
const MAX_UNWRITTEN: usize = 16 << 20;
/// What QuickJS says when its memory limit is reached.
const NO_MEMORY: &str = "InternalError: out of memory";
/// What is left of that when there was no memory for saying it.
const UNCAUGHT_NULL: &str = "Uncaught null";
/// What it says to a script that an interrupt ended.
const INTERRUPTED: &str = "InternalError: interrupted";

/// Why an app ends that did not want to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fatal {
    /// Nobody caught this.
    Uncaught(String),
    /// Its memory limit was reached; with what there is to be said of where.
    Memory(String),
    /// Its time was up, likewise.
    Time(String),
}

impl From<String> for Fatal {
    fn from(text: String) -> Self {
        match () {
            () if text.starts_with(NO_MEMORY) => Self::Memory(text),
            () if text.starts_with(INTERRUPTED) => Self::Time(text),
            () => Self::Uncaught(text),
        }
    }
}

/// Which clock a script must not pass.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deadline {
    /// Nanoseconds of the monotonic clock: while loading.
    Monotonic(u64),
    /// CPU time of the process: for a message.
    Cpu(Duration),
}

impl Deadline {
    fn has_passed(self) -> bool {
        match self {
            Self::Monotonic(until) => call::monotonic_ns() > until,
            // 0 is this process itself.
            Self::Cpu(limit) => call::process_cpu_ns(0).is_ok_and(|used| Duration::from_nanos(used) >= limit),
        }
    }
}

/// What scripts want of the process that they run in.
#[derive(Debug, Default)]
struct Surroundings {
    /// Lines that wait to be written.
    lines: RefCell<Vec<u8>>,
    /// Text for standard error, likewise.
    text: RefCell<String>,
    /// The code that a script wants to end with.
    ended: Cell<Option<i32>>,
}

/// Promises that were rejected and that nobody waits for yet, with the reasons.
type Rejected = Rc<RefCell<Vec<(Persistent<Value<'static>>, Persistent<Value<'static>>)>>>;

/// An app.
pub(super) struct App {
    rejected: Rejected,
    hooks: Persistent<Object<'static>>,
    emitter: Persistent<Value<'static>>,
    /// The app's realm.
    realm: Option<Context>,
    /// That of modules.
    host: Context,
    pub(super) fresh: Rc<Fresh>,
    deadline: Rc<Cell<Deadline>>,
    /// Memory of the process when the message came, and how much more it may be, in bytes.
    at_first: Cell<(u64, u64)>,
    surroundings: Rc<Surroundings>,
    runtime: Runtime,
}

impl App {
    /// The engine, without an app.
    pub(super) fn new(load: &Load) -> Result<Self, Fatal> {
        let failed = |error: Error| Fatal::from(error.to_string());
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_memory_limit(load.memory);
        runtime.set_max_stack_size(STACK);
        let deadline = Rc::new(Cell::new(Deadline::Monotonic(u64::MAX)));
        let watched = Rc::clone(&deadline);
        runtime.set_interrupt_handler(Some(Box::new(move || watched.get().has_passed())));
        let rejected = Rejected::default();
        track(&runtime, &rejected);

        let fresh = Fresh::new();
        let surroundings = Rc::new(Surroundings::default());
        let host = Context::full(&runtime).map_err(failed)?;
        let (hooks, emitter) = host.with(|ctx| {
            let made = (|| {
                fresh.install(&ctx)?;
                let natives = Object::new(ctx.clone())?;
                fresh.add_natives(&natives)?;
                surroundings.add_natives(&natives)?;
                let make: Function<'_> = ctx.eval(include_str!("host.js"))?;
                let hooks: Object<'_> = make.call((natives.clone(),))?;
                let require = world::host(&ctx, &natives, &load.modules)?;
                ctx.globals().set("require", require.clone())?;
                let emitter: Value<'_> = require.call(("events",))?;
                Ok((Persistent::save(&ctx, hooks), Persistent::save(&ctx, emitter)))
            })();
            made.map_err(|error| fatal(&ctx, error))
        })?;
        let at_first = Cell::default();
        Ok(Self { rejected, hooks, emitter, realm: None, host, fresh, deadline, at_first, surroundings, runtime })
    }

    /// Sets what scripts must not pass.
    pub(super) fn set_deadline(&self, deadline: Deadline) {
        self.deadline.set(deadline);
    }

    /// Loads the app, and what it requires. May be done again: then with another realm, and what was queued is forgotten.
    pub(super) fn load(&mut self, load: &Load) -> Result<(), Fatal> {
        let api = self.with(|ctx, hooks| {
            let emitter = self.emitter.clone().restore(ctx)?;
            let api: Object<'_> = hooks.get::<_, Function<'_>>("start")?.call((emitter,))?;
            Ok(Persistent::save(ctx, api))
        })?;
        let realm = world::realm(&self.runtime, &self.host, load.app_context.as_deref(), &api);
        let realm = realm.map_err(|error| self.host.with(|ctx| fatal(&ctx, error)))?;
        realm.with(|ctx| {
            self.fresh.install(&ctx).map_err(|error| fatal(&ctx, error))?;
            let mut options = EvalOptions::default();
            options.strict = false;
            options.filename = Some(FILE_NAME.to_owned());
            ctx.eval_with_options::<Value<'_>, _>(load.source.as_str(), options).map_err(|error| fatal(&ctx, error))?;
            Ok::<_, Fatal>(())
        })?;
        self.realm = Some(realm);
        self.call("loaded", ())
    }

    /// Lets what the app has begun come to nothing: it is to be loaded once more, and only the libraries count.
    pub(super) fn forget(&self) {
        // Promises cannot be taken back, so they are kept, and what comes of them is thrown away.
        let _ = self.settle();
        let _ = (self.take_lines(), self.take_text());
    }

    /// Makes ready for being forked: nothing that is garbage is copied.
    pub(super) fn settle_memory(&self) {
        self.runtime.run_gc();
    }

    /// Bytes that QuickJS has allocated.
    pub(super) fn memory(&self) -> usize {
        usize::try_from(self.runtime.memory_usage().malloc_size).unwrap_or(0)
    }

    /// For one message: so many bytes on top of what is there. Garbage is looked for only when half of them are used, because looking
    /// at everything means copying everything.
    pub(super) fn begin_message(&self, there: usize, memory: usize) {
        self.at_first.set((call::peak_memory(), memory as u64));
        self.runtime.set_memory_limit(there.saturating_add(memory));
        self.runtime.set_gc_threshold(there.saturating_add(memory / 2));
    }

    /// A line came.
    pub(super) fn receive(&self, line: &str) -> Result<(), Fatal> {
        self.call::<_, ()>("receive", (line,))?;
        self.settle()
    }

    /// Runs a timer that is due. Whether there was one.
    pub(super) fn timer(&self) -> Result<bool, Fatal> {
        self.task("timer")
    }

    /// Begins a turn: timers that are due now belong to it.
    pub(super) fn begin_turn(&self) -> Result<(), Fatal> {
        self.call("turn", ())
    }

    /// Immediates that were made until now belong to this turn.
    pub(super) fn begin_immediates(&self) -> Result<(), Fatal> {
        self.call("batch", ())
    }

    /// Runs an immediate of this turn. Whether there was one.
    pub(super) fn immediate(&self) -> Result<bool, Fatal> {
        self.task("immediate")
    }

    /// How long it may be waited for input; `None` for as long as it takes.
    pub(super) fn wait(&self) -> Result<Option<Duration>, Fatal> {
        let milliseconds: f64 = self.call("wait", ())?;
        // Below 0 stands for "no end", as does whatever a script has made of our numbers.
        Ok(Duration::try_from_secs_f64(milliseconds / 1e3).ok())
    }

    /// Whether anything will happen without input.
    pub(super) fn is_alive(&self) -> Result<bool, Fatal> {
        self.call("alive", ())
    }

    /// Runs what waits for the end of the running code, and looks for rejections that nobody handled.
    pub(super) fn settle(&self) -> Result<(), Fatal> {
        loop {
            let mut ran = false;
            while self.call("tick", ())? {
                ran = true;
            }
            loop {
                match self.runtime.execute_pending_job() {
                    Ok(true) => ran = true,
                    Ok(false) => break,
                    Err(job) => return Err(job.0.with(|ctx| fatal(&ctx, Error::Exception))),
                }
            }
            if !ran {
                return self.check_rejections();
            }
        }
    }

    /// Looks for rejections that nobody handled.
    pub(super) fn check_rejections(&self) -> Result<(), Fatal> {
        let first = self.rejected.borrow_mut().drain(..).next();
        let Some((_, reason)) = first else { return Ok(()) };
        self.with(|ctx, _| {
            let reason = reason.restore(ctx)?;
            let text = text(ctx, &reason);
            let is_error = reason.as_object().is_some_and(|reason| reason.is_error());
            Ok(if is_error { text } else { format!("Unhandled promise rejection, the reason is: {text}") })
        })
        .and_then(|text| Err(text.into()))
    }

    /// Tells a lack of memory that left no room for an error of its own: `null` is thrown then, and what was allocated is free again.
    pub(super) fn diagnose(&self, fatal: Fatal) -> Fatal {
        let (before, memory) = self.at_first.get();
        match fatal {
            Fatal::Uncaught(text) if text == UNCAUGHT_NULL && call::peak_memory() > before + memory / 2 => {
                Fatal::Memory(NO_MEMORY.to_owned())
            }
            fatal => fatal,
        }
    }

    /// The code that a script wants to end with.
    pub(super) fn exit_code(&self) -> Option<i32> {
        self.surroundings.ended.get()
    }

    /// Lines to be written.
    pub(super) fn take_lines(&self) -> Vec<u8> {
        self.surroundings.lines.take()
    }

    /// Bytes that wait to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.surroundings.lines.borrow().len() + self.surroundings.text.borrow().len()
    }

    /// Text to be written.
    pub(super) fn take_text(&self) -> String {
        self.surroundings.text.take()
    }

    fn task(&self, kind: &str) -> Result<bool, Fatal> {
        let ran = self.call(kind, ())?;
        if ran {
            self.settle()?;
        }
        Ok(ran)
    }

    fn call<A, R>(&self, name: &str, arguments: A) -> Result<R, Fatal>
    where
        A: for<'js> rquickjs::function::IntoArgs<'js>,
        R: for<'js> rquickjs::FromJs<'js>,
    {
        self.with(|_, hooks| hooks.get::<_, Function<'_>>(name)?.call(arguments))
    }

    fn with<R>(&self, act: impl for<'js> FnOnce(&Ctx<'js>, &Object<'js>) -> rquickjs::Result<R>) -> Result<R, Fatal> {
        self.host.with(|ctx| {
            let acted = self.hooks.clone().restore(&ctx).and_then(|hooks| act(&ctx, &hooks));
            acted.map_err(|error| fatal(&ctx, error))
        })
    }
}

impl Surroundings {
    fn add_natives<'js>(self: &Rc<Self>, natives: &Object<'js>) -> rquickjs::Result<()> {
        let ctx = natives.ctx();
        let to = Rc::clone(self);
        let write = move |ctx: Ctx<'js>, line: String| {
            let mut lines = to.lines.borrow_mut();
            has_room(&ctx, lines.len(), line.len())?;
            lines.extend_from_slice(line.as_bytes());
            Ok::<(), Error>(())
        };
        natives.set("write", Function::new(ctx.clone(), write)?)?;
        let to = Rc::clone(self);
        let stderr = move |ctx: Ctx<'js>, more: String| {
            let mut text = to.text.borrow_mut();
            has_room(&ctx, text.len(), more.len())?;
            text.push_str(&more);
            Ok::<(), Error>(())
        };
        natives.set("stderr", Function::new(ctx.clone(), stderr)?)?;
        let to = Rc::clone(self);
        // The first counts.
        let exit = move |code: i32| to.ended.set(Some(to.ended.get().unwrap_or(code)));
        natives.set("exit", Function::new(ctx.clone(), exit)?)
    }
}

/// Throws when a task wants more to be written than may wait for its end.
fn has_room(ctx: &Ctx<'_>, there: usize, more: usize) -> rquickjs::Result<()> {
    if there.saturating_add(more) > MAX_UNWRITTEN {
        let text = format!("more than {MAX_UNWRITTEN} bytes to be written at once");
        return Err(rquickjs::Exception::throw_range(ctx, &text));
    }
    Ok(())
}

/// What an error means for the app.
fn fatal(ctx: &Ctx<'_>, error: Error) -> Fatal {
    match error {
        Error::Exception => Fatal::from(text(ctx, &ctx.catch())),
        error => Fatal::from(error.to_string()),
    }
}

/// What was thrown, as Node shows it: the stack of an error, its first line saying what it is; anything else as a string.
fn text<'js>(ctx: &Ctx<'js>, thrown: &Value<'js>) -> String {
    let shown = Coerced::<String>::from_js(ctx, thrown.clone())
        .map_or_else(|_| "(something that is no string)".to_owned(), |text| text.0);
    let stack = thrown.as_object().and_then(|thrown| thrown.get::<_, String>("stack").ok());
    // Describing runs code of the app, which may have thrown, too.
    let _ = ctx.catch();
    match stack {
        Some(stack) if stack.starts_with(&shown) => stack,
        Some(stack) => format!("{shown}\n{stack}"),
        None if thrown.is_error() => shown,
        None => format!("Uncaught {shown}"),
    }
}

/// Keeps the list of rejections: a promise that is handled later, within the same task, is no longer on it.
fn track(runtime: &Runtime, rejected: &Rejected) {
    let rejected = Rc::clone(rejected);
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, handled| {
        let promise = Persistent::save(&ctx, promise);
        let mut rejected = rejected.borrow_mut();
        if handled {
            rejected.retain(|(known, _)| *known != promise);
        } else {
            rejected.push((promise, Persistent::save(&ctx, reason)));
        }
    })));
}
