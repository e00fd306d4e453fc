//! Both realms, and a loop that is good enough for tests.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt as _, Context, Ctx, Function, Object, Persistent, Runtime, Value};

/// Tasks of one test, at most.
const TASKS: usize = 200_000;

pub(super) struct Stage {
    tick: Persistent<Function<'static>>,
    task: Persistent<Function<'static>>,
    require: Persistent<Function<'static>>,
    pub(super) host: Context,
    pub(super) runtime: Runtime,
    /// What was written to standard error.
    pub(super) stderr: Rc<RefCell<String>>,
}

impl Stage {
    pub(super) fn new(directories: &[PathBuf]) -> Self {
        let runtime = Runtime::new().unwrap();
        runtime.set_max_stack_size(1 << 20);
        let host = Context::full(&runtime).unwrap();
        let stderr = Rc::new(RefCell::new(String::new()));
        let (tick, task, require) = host.with(|ctx| {
            let natives = Object::new(ctx.clone()).unwrap();
            let written = Rc::clone(&stderr);
            let write = Function::new(ctx.clone(), move |text: String| written.borrow_mut().push_str(&text)).unwrap();
            natives.set("stderr", write).unwrap();
            let written = Rc::clone(&stderr);
            let exit = move |code: i32| written.borrow_mut().push_str(&format!("exit {code}\n"));
            natives.set("exit", Function::new(ctx.clone(), exit).unwrap()).unwrap();
            let stage: Function = ctx.eval(include_str!("stage.js")).unwrap();
            let stage: Object = stage.call((natives.clone(),)).unwrap();
            let require = super::super::host(&ctx, &natives, directories).catch(&ctx).unwrap();
            let save = |function| Persistent::save(&ctx, function);
            (save(stage.get("tick").unwrap()), save(stage.get("task").unwrap()), save(require))
        });
        Self { tick, task, require, host, runtime, stderr }
    }

    /// Evaluates an expression in the host realm, where `require` is a global for once, runs all that waits, and gives the string that
    /// the expression or its promise gave.
    pub(super) fn evaluate(&self, text: &str) -> Result<String, String> {
        self.host.with(|ctx| {
            ctx.globals().set("require", self.require.clone().restore(&ctx).unwrap()).unwrap();
            let given: Object = ctx.eval("globalThis.given = {}").unwrap();
            let text = format!("Promise.resolve(\n{text}\n).then((value) => {{ given.value = String(value); }}, (error) => {{ given.error = error; }})");
            sloppy(&ctx, &text, "test").map(drop)?;
            self.run(&ctx)?;
            match given.get::<_, Option<String>>("value").unwrap() {
                Some(text) => Ok(text),
                None => Err(thrown(&given.get("error").unwrap())),
            }
        })
    }

    /// Loads an app, and runs what it queued.
    pub(super) fn load(&self, api: &str, app_context: Option<&str>, source: &str) -> Result<Context, String> {
        let api = self.host.with(|ctx| {
            ctx.globals().set("require", self.require.clone().restore(&ctx).unwrap()).unwrap();
            Persistent::save(&ctx, ctx.eval::<Object, _>(api).unwrap())
        });
        let realm = super::super::realm(&self.runtime, &self.host, app_context, &api);
        drop(api);
        let realm = realm.map_err(|error| self.host.with(|ctx| thrown_now(&ctx, &error)))?;
        realm.with(|ctx| sloppy(&ctx, source, "evalmachine.<anonymous>").map(drop))?;
        self.host.with(|ctx| self.run(&ctx))?;
        Ok(realm)
    }

    /// Runs everything that waits: ticks, promises, then one task after the other.
    pub(super) fn run(&self, ctx: &Ctx<'_>) -> Result<(), String> {
        let [tick, task] = [&self.tick, &self.task].map(|function| function.clone().restore(ctx).unwrap());
        let call = |function: &Function| function.call::<_, bool>(()).catch(ctx).map_err(|error| caught(ctx, error));
        for _ in 0..TASKS {
            let mut ran = false;
            while call(&tick)? {
                ran = true;
            }
            while ctx.execute_pending_job() {
                ran = true;
            }
            if !ran && !call(&task)? {
                return Ok(());
            }
        }
        Err("it never ends".to_owned())
    }
}

pub(super) fn sloppy<'js>(ctx: &Ctx<'js>, text: &str, name: &str) -> Result<Value<'js>, String> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    ctx.eval_with_options::<Value, _>(text, options).catch(ctx).map_err(|error| caught(ctx, error))
}

fn thrown_now(ctx: &Ctx<'_>, error: &rquickjs::Error) -> String {
    if error.is_exception() { thrown(&ctx.catch()) } else { error.to_string() }
}

fn caught(_: &Ctx<'_>, error: rquickjs::CaughtError<'_>) -> String {
    match error {
        rquickjs::CaughtError::Exception(exception) => thrown(exception.as_object().as_value()),
        rquickjs::CaughtError::Value(value) => thrown(&value),
        rquickjs::CaughtError::Error(error) => error.to_string(),
    }
}

/// The stack of an error, which begins with what it says.
fn thrown(value: &Value<'_>) -> String {
    let stack = value.as_object().and_then(|error| error.get::<_, Option<String>>("stack").ok().flatten());
    stack.unwrap_or_else(|| format!("thrown: {value:?}"))
}
