//! The realms of an app. To be replaced: there is no `require` yet but for `events`.
#![expect(unreachable_pub, dead_code, reason = "to be replaced")]

use std::path::PathBuf;
use std::rc::Rc;

use rquickjs::context::EvalOptions;
use rquickjs::{
    CatchResultExt as _, CaughtError, Coerced, Context, Ctx, FromJs as _, Object, Persistent, Runtime, Value,
};

pub struct LoadRequest<'a> {
    pub source: &'a str,
    pub app_context: Option<&'a str>,
    pub api: Persistent<Object<'static>>,
    pub prepare: &'a dyn Fn(&Ctx<'_>) -> rquickjs::Result<()>,
}
pub enum LoadError {
    App(String),
    AppContext(String),
    Engine(String),
}
impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::App(t) | Self::AppContext(t) | Self::Engine(t)) = self;
        f.write_str(t)
    }
}
pub struct Uncaught(pub String);
pub trait Outside {
    fn stderr(&self, text: &str);
    fn exit(&self, code: i32);
    fn asked(&self) {}
    fn library(&self, _begins: bool) {}
}
pub trait ModuleFiles {
    fn roots(&self) -> &[PathBuf];
}
pub struct Directories(Vec<PathBuf>);
impl Directories {
    pub fn new(paths: &[PathBuf]) -> Self {
        Self(paths.to_vec())
    }
}
impl ModuleFiles for Directories {
    fn roots(&self) -> &[PathBuf] {
        &self.0
    }
}
pub struct World {
    host: Context,
    app: Option<Context>,
}
impl World {
    pub fn new(runtime: &Runtime, _files: Rc<dyn ModuleFiles>, _outside: Rc<dyn Outside>) -> Result<Self, LoadError> {
        let host = Context::full(runtime).map_err(|e| LoadError::Engine(e.to_string()))?;
        host.with(|ctx| ctx.eval::<(), _>(r#"globalThis.require = function require(name) {
          if (name !== 'events') throw new Error("Cannot find module '" + name + "'");
          return class EventEmitter {
            on(name, listener) { (this[name] ??= []).push(listener); return this; }
            emit(name, ...args) { for (const listener of this[name] ?? []) listener.apply(this, args); return name in this; }
          };
        }"#)).map_err(|e| LoadError::Engine(e.to_string()))?;
        Ok(Self { host, app: None })
    }
    pub const fn host(&self) -> &Context {
        &self.host
    }
    pub fn load(&mut self, runtime: &Runtime, request: LoadRequest<'_>) -> Result<(), LoadError> {
        let app = Context::full(runtime).map_err(|e| LoadError::Engine(e.to_string()))?;
        let members = self.host.with(|host| {
            let Some(expression) = request.app_context else { return Ok(None) };
            let mut options = EvalOptions::default();
            options.strict = false;
            let object = host
                .eval_with_options::<Object<'_>, _>(format!("({expression}\n)"), options)
                .catch(&host)
                .map_err(|e| LoadError::AppContext(caught_text(&host, e)))?;
            Ok(Some(Persistent::save(&host, object)))
        })?;
        app.with(|ctx| {
            let globals = ctx.globals();
            (|| {
                if let Some(members) = members {
                    for member in members.restore(&ctx)?.props::<String, Value<'_>>() {
                        let (name, value) = member?;
                        globals.set(name, value)?;
                    }
                }
                globals.set("api", request.api.restore(&ctx)?)?;
                (request.prepare)(&ctx)
            })()
            .catch(&ctx)
            .map_err(|e| LoadError::Engine(caught_text(&ctx, e)))?;
            let mut options = EvalOptions::default();
            options.strict = false;
            options.filename = Some("evalmachine.<anonymous>".to_owned());
            ctx.eval_with_options::<Value<'_>, _>(request.source, options)
                .catch(&ctx)
                .map(drop)
                .map_err(|e| LoadError::App(caught_text(&ctx, e)))
        })?;
        self.app = Some(app);
        Ok(())
    }
    pub fn settle(&self, runtime: &Runtime) -> Result<(), Uncaught> {
        while runtime
            .execute_pending_job()
            .map_err(|job| job.0.with(|ctx| Uncaught(thrown_text(&ctx, &ctx.catch()))))?
        {}
        Ok(())
    }
    pub fn forked(&self) {}
}
pub fn thrown_text<'js>(ctx: &Ctx<'js>, thrown: &Value<'js>) -> String {
    let head = Coerced::<String>::from_js(ctx, thrown.clone()).map(|c| c.0).unwrap_or_default();
    let stack = thrown.as_object().and_then(|o| o.get::<_, String>("stack").ok());
    let _ = ctx.catch();
    match stack {
        Some(stack) => format!("{head}\n{stack}"),
        None => format!("Uncaught {head}"),
    }
}
pub(super) fn caught_text<'js>(ctx: &Ctx<'js>, caught: CaughtError<'js>) -> String {
    match caught {
        CaughtError::Exception(exception) => thrown_text(ctx, exception.as_object().as_value()),
        CaughtError::Value(value) => thrown_text(ctx, &value),
        CaughtError::Error(error) => error.to_string(),
    }
}
