//! What an app finds around itself: modules of Node, and a realm (a global object with its own intrinsics) that holds nothing of them
//! but what the operator's `app_context` hands over.
//!
//! Two realms share one runtime. In the *host* realm are the modules, what `app_context` evaluates to, and `api`. The app's script has
//! a realm of its own.

use std::path::PathBuf;

use rquickjs::context::EvalOptions;
use rquickjs::{Context, Ctx, Function, Object, Persistent, Runtime, Value};

/// Equips the host realm, and returns its `require`.
///
/// There already: timers, `setImmediate`, `queueMicrotask`, and clocks and randomness that differ from message to message. `natives` is
/// an object with these functions:
///
/// - `now()`: milliseconds since 1970, with fractions.
/// - `monotonic()`: milliseconds since some moment, with fractions; stands still between the loading of the app and its first message.
/// - `random(count)`: a `Uint8Array` of so many random bytes, up to 65,536.
/// - `nextTick(function, ...arguments)`: as Node's.
/// - `library(function)`: calls the function without arguments, and returns what it returns. To be used around the evaluation of a
///   module's file, once: what asks for the time or for randomness in there is the library and not the app.
/// - `stderr(text)`: writes to standard error, as it is.
/// - `exit(code)`: ends the process once the running code has ended.
///
/// Modules are looked for in `directories`, in this order: directories named `node_modules`, by their paths inside the sandbox, which
/// are those outside.
pub(crate) fn host<'js>(
    host: &Ctx<'js>,
    _natives: &Object<'js>,
    _directories: &[PathBuf],
) -> rquickjs::Result<Function<'js>> {
    host.eval(
        "(function require(name) {
           if (name !== 'events') throw new Error(\"Cannot find module '\" + name + \"'\");
           return class EventEmitter {
             on(name, listener) { (this[name] ??= []).push(listener); return this; }
             emit(name, ...args) { for (const listener of this[name] ?? []) listener.apply(this, args); return name in this; }
           };
         })",
    )
}

/// Makes the realm of the app: evaluates `app_context` in the host realm, whose members become globals of the new one, and puts `api`
/// over them.
pub(crate) fn realm(
    runtime: &Runtime,
    host: &Context,
    app_context: Option<&str>,
    api: &Persistent<Object<'static>>,
) -> rquickjs::Result<Context> {
    let realm = Context::full(runtime)?;
    let members = host.with(|host| {
        let Some(expression) = app_context else { return Ok(None) };
        let mut options = EvalOptions::default();
        options.strict = false;
        options.filename = Some("app_context".to_owned());
        let object: Option<Object<'_>> = host.eval_with_options(format!("({expression}\n)"), options)?;
        Ok::<_, rquickjs::Error>(object.map(|object| Persistent::save(&host, object)))
    })?;
    realm.with(|realm| {
        let globals = realm.globals();
        if let Some(members) = members {
            for member in members.restore(&realm)?.props::<String, Value<'_>>() {
                let (name, value) = member?;
                globals.set(name, value)?;
            }
        }
        globals.set("api", api.clone().restore(&realm)?)
    })?;
    Ok(realm)
}
