//! What an app finds around itself: modules of Node, and a realm (a global object with its own intrinsics) that holds nothing of them
//! but what the operator's `app_context` hands over.
//!
//! Two realms share one runtime. In the *host* realm are the modules, what `app_context` evaluates to, and `api`. The app's script has
//! a realm of its own.
//!
//! The realms are no boundary: an app gets from `api` to everything of the host realm, in QuickJS as in Node. But here there is nothing
//! to be had. What the host realm can do outside of itself is in `natives`, all of it: read modules from the configured directories,
//! tell the time, give random numbers, write to standard error, and end.
//!
//! The JavaScript in `js/` is ours. It follows Node's documentation and what Node 20 was seen to do; `tests` compares the two.

mod files;
mod natives;
mod resolve;
mod sources;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use rquickjs::{Context, Ctx, Function, Object, Persistent, Runtime, Symbol};

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
///
/// # Errors
/// Only if memory runs out.
pub(crate) fn host<'js>(
    host: &Ctx<'js>,
    natives: &Object<'js>,
    directories: &[PathBuf],
) -> rquickjs::Result<Function<'js>> {
    natives::add(natives, directories)?;
    sources::compile(host, "host")?.call((host.globals(), natives.clone()))
}

/// Makes the realm of the app: evaluates `app_context` in the host realm, whose members become globals of the new one, and puts `api`
/// over them.
///
/// # Errors
/// What `app_context` throws, or that it gives no object: to be caught in either realm.
pub(crate) fn realm(
    runtime: &Runtime,
    host: &Context,
    app_context: Option<&str>,
    api: &Persistent<Object<'static>>,
) -> rquickjs::Result<Context> {
    let members = host.with(|host| {
        let key: Symbol<'_> = host.eval("Symbol.for('belljar.app_context')")?;
        let evaluate: Function<'_> = host.globals().get(key)?;
        let members: Object<'_> = evaluate.call((app_context,))?;
        Ok::<_, rquickjs::Error>(Persistent::save(&host, members))
    })?;
    let realm = Context::full(runtime)?;
    realm.with(|realm| {
        let (members, api) = (members.restore(&realm)?, api.clone().restore(&realm)?);
        let part = |name: &str| {
            let module = Object::new(realm.clone())?;
            sources::compile(&realm, name)?.call::<_, ()>((module.clone(),))?;
            module.get::<_, Function<'_>>("exports")
        };
        let (stack, locale) = (part("internal/stack")?, part("internal/locale")?);
        sources::compile(&realm, "app")?.call::<_, ()>((realm.globals(), stack, locale, members, api))
    })?;
    Ok(realm)
}
