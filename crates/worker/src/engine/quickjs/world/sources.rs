//! Our own JavaScript, part of the program.

use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Exception, Function, Result};

/// Name, and text: one function expression each. Names with a slash can not be required.
const SOURCES: &[(&str, &str)] = &[
    ("host", include_str!("js/host.js")),
    ("app", include_str!("js/app.js")),
    ("internal/stack", include_str!("js/stack.js")),
    ("internal/require", include_str!("js/require.js")),
    ("internal/bytes", include_str!("js/bytes.js")),
    ("internal/locale", include_str!("js/locale.js")),
    ("internal/inspect", include_str!("js/inspect.js")),
    ("internal/format", include_str!("js/format.js")),
    ("internal/equal", include_str!("js/equal.js")),
    ("internal/errors", include_str!("js/errors.js")),
    ("internal/console", include_str!("js/console.js")),
    ("internal/process", include_str!("js/process.js")),
    ("internal/whatwg_url", include_str!("js/whatwg_url.js")),
    ("internal/text_coding", include_str!("js/text_coding.js")),
    ("assert", include_str!("js/assert.js")),
    ("buffer", include_str!("js/buffer.js")),
    ("crypto", include_str!("js/crypto.js")),
    ("events", include_str!("js/events.js")),
    ("path", include_str!("js/path.js")),
    ("punycode", include_str!("js/punycode.js")),
    ("querystring", include_str!("js/querystring.js")),
    ("string_decoder", include_str!("js/string_decoder.js")),
    ("timers", include_str!("js/timers.js")),
    ("url", include_str!("js/url.js")),
    ("util", include_str!("js/util.js")),
];

/// Modules of Node's that are not offered: what an app of messages has no use for, or what leads outside.
pub(super) const NOT_OFFERED: &[&str] = &[
    "async_hooks",
    "child_process",
    "cluster",
    "constants",
    "dgram",
    "diagnostics_channel",
    "dns",
    "dns/promises",
    "domain",
    "fs",
    "fs/promises",
    "http",
    "http2",
    "https",
    "inspector",
    "inspector/promises",
    "module",
    "net",
    "os",
    "perf_hooks",
    "path/win32",
    "readline",
    "readline/promises",
    "repl",
    "stream",
    "stream/consumers",
    "stream/promises",
    "stream/web",
    "test",
    "timers/promises",
    "tls",
    "trace_events",
    "tty",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
];

/// Compiles one of ours, and gives the function that it is.
pub(super) fn compile<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Function<'js>> {
    let Some((_, text)) = SOURCES.iter().find(|(known, _)| *known == name) else {
        return Err(Exception::throw_internal(ctx, &format!("no source {name}")));
    };
    evaluate(ctx, *text, format!("node:{name}"), true)
}

/// Evaluates a script in the realm of a context.
pub(super) fn evaluate<'js>(
    ctx: &Ctx<'js>,
    text: impl Into<Vec<u8>>,
    name: String,
    strict: bool,
) -> Result<Function<'js>> {
    let mut options = EvalOptions::default();
    options.strict = strict;
    options.filename = Some(name);
    ctx.eval_with_options(text, options)
}
