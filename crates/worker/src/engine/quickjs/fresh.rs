//! Clocks and randomness, which must not be remembered.
//!
//! What an app computes while it loads is computed once, and each message gets a copy. Were the time or a random number among it, all
//! messages would have the same. So whoever asks for one meanwhile is noted, and then the app, or everything, is loaded anew for each
//! message. A library may ask for the time: lodash does while it loads, to find out how often it is called, as do many that measure
//! something; and what they would go on with is what they have in a process of Node's that serves many messages.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::SystemTime;

use rquickjs::{Ctx, Function, Object, Result, TypedArray, Value};
use serde::{Deserialize, Serialize};

/// How much is loaded once, rather than for each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// Nothing but the engine with its built-in modules: a library asked for randomness while it loaded.
    Engine,
    /// All libraries. The app's own script asked.
    Libraries,
    /// Everything.
    App,
}

/// Random bytes fetched at a time.
const POOL: usize = 256;
/// Random bytes handed out at a time, at most: as by Node's `getRandomValues`.
const MOST: usize = 65_536;

/// The clocks of one process.
#[derive(Debug)]
pub(super) struct Fresh {
    /// Whether what is asked for will be remembered.
    loading: Cell<bool>,
    /// Libraries that are being loaded, one from within another.
    libraries: Cell<u32>,
    /// What can be remembered in spite of what was asked for.
    extent: Cell<Extent>,
    /// Nanoseconds that the process slept between loading and its message.
    slept: Cell<u64>,
    /// When it fell asleep.
    asleep: Cell<Option<u64>>,
    /// Random bytes, used up from the end.
    pool: RefCell<Vec<u8>>,
}

impl Fresh {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            loading: Cell::new(true),
            libraries: Cell::new(0),
            extent: Cell::new(Extent::App),
            slept: Cell::new(0),
            asleep: Cell::new(None),
            pool: RefCell::default(),
        })
    }

    /// How much can be remembered, by what was asked for until now.
    pub(super) fn extent(&self) -> Extent {
        self.extent.get()
    }

    /// Between loading and the message, the clock of timers stands still.
    pub(super) fn sleep(&self) {
        self.asleep.set(Some(belljar_sys::call::monotonic_ns()));
    }

    /// For the message. Whatever is asked for from here on is nobody else's.
    pub(super) fn wake(&self) {
        self.loading.set(false);
        self.pool.borrow_mut().clear();
        if let Some(since) = self.asleep.take() {
            self.slept.set(self.slept.get() + belljar_sys::call::monotonic_ns().saturating_sub(since));
        }
    }

    /// Milliseconds of a clock that stands still between loading and the message. For timers, which tell nobody.
    #[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days of running")]
    pub(super) fn timer_clock(&self) -> f64 {
        belljar_sys::call::monotonic_ns().saturating_sub(self.slept.get()) as f64 / 1e6
    }

    /// Notes that somebody wants the time, unless it is a library.
    fn note_time(&self) {
        if self.libraries.get() == 0 {
            self.note();
        }
    }

    /// Notes that somebody wants what must not be remembered.
    fn note(&self) {
        if self.loading.get() {
            let extent = if self.libraries.get() > 0 { Extent::Engine } else { Extent::Libraries };
            self.extent.set(self.extent.get().min(extent));
        }
    }

    /// Milliseconds since 1970, with fractions.
    fn now(&self) -> f64 {
        self.note_time();
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
    }

    /// Random bytes.
    fn random(&self, count: usize) -> Vec<u8> {
        self.note();
        let mut bytes = vec![0; count.min(MOST)];
        fill(&mut bytes);
        bytes
    }

    /// From 0 up to 1, with all 53 bits that such a number has.
    fn number(&self) -> f64 {
        self.note();
        let mut pool = self.pool.borrow_mut();
        if pool.is_empty() {
            pool.resize(POOL, 0);
            fill(&mut pool);
        }
        let rest = pool.len() - size_of::<u64>();
        let word = pool.split_off(rest).try_into().map_or(0, u64::from_ne_bytes);
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let number = (word >> 11) as f64 / (1_u64 << 53) as f64;
        number
    }

    /// Replaces the clocks and the randomness of a realm.
    pub(super) fn install(self: &Rc<Self>, realm: &Ctx<'_>) -> Result<()> {
        let (fresh, also) = (Rc::clone(self), Rc::clone(self));
        let now = Function::new(realm.clone(), move || fresh.now().floor())?.with_name("now")?;
        let random = Function::new(realm.clone(), move || also.number())?.with_name("random")?;
        realm.eval::<Function<'_>, _>(include_str!("fresh.js"))?.call((now, random))
    }

    /// Adds what the modules of the host realm are built on.
    pub(super) fn add_natives<'js>(self: &Rc<Self>, natives: &Object<'js>) -> Result<()> {
        let ctx = natives.ctx();
        let fresh = Rc::clone(self);
        natives.set("now", Function::new(ctx.clone(), move || fresh.now())?)?;
        let fresh = Rc::clone(self);
        natives.set("clock", Function::new(ctx.clone(), move || fresh.timer_clock())?)?;
        let fresh = Rc::clone(self);
        let monotonic = move || {
            fresh.note_time();
            fresh.timer_clock()
        };
        natives.set("monotonic", Function::new(ctx.clone(), monotonic)?)?;
        let fresh = Rc::clone(self);
        let random = move |ctx: Ctx<'js>, count: usize| TypedArray::<u8>::new(ctx, fresh.random(count));
        natives.set("random", Function::new(ctx.clone(), random)?)?;
        let fresh = Rc::clone(self);
        let library = move |load: Function<'js>| {
            fresh.libraries.set(fresh.libraries.get() + 1);
            let loaded = load.call::<_, Value<'js>>(());
            fresh.libraries.set(fresh.libraries.get().saturating_sub(1));
            loaded
        };
        natives.set("library", Function::new(ctx.clone(), library)?)
    }
}

/// Random bytes of the kernel's.
fn fill(bytes: &mut [u8]) {
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            // It has no other error. What can be guessed must not pass for random.
            Err(_) => belljar_sys::call::exit(super::code::BROKEN),
        }
    }
}
