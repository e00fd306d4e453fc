//! The app's realm: what is in it, what is not, and what an app gets hold of from there.

use rquickjs::{CatchResultExt as _, Context};

use super::stage::{self, Stage};

const API: &str = "({ name: 'api', seen: [] })";

fn evaluate(realm: &Context, text: &str) -> String {
    realm.with(|ctx| {
        let value = stage::sloppy(&ctx, &format!("String({text})"), "evalmachine.<anonymous>");
        value.map_or_else(|error| error, |text| text.as_string().unwrap().to_string().unwrap())
    })
}

/// Reference 3.2.
#[test]
fn an_app_has_ecmascript_and_api_and_nothing_else() {
    let stage = Stage::new(&[]);
    let realm = stage.load(API, None, "var mine = 1; implied = 2; function f() { return this; }").unwrap();
    for (text, expected) in [
        ("this === globalThis && this.api === api && f() === globalThis", "true"),
        ("this.mine + this.implied + typeof this.f", "3function"),
        ("api.name", "api"),
        ("Object.keys(globalThis)", "api,mine,f,implied"),
        (
            "['require', 'module', 'exports', 'process', 'Buffer', 'setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'queueMicrotask', \
             'URL', 'TextEncoder', 'global', 'performance', 'navigator', 'btoa', 'DOMException', 'std', 'os', 'print', 'gc', '__filename']\
             .filter((name) => name in globalThis)",
            "",
        ),
        (
            "['Promise', 'Proxy', 'Reflect', 'BigInt', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'escape', 'unescape', 'globalThis', 'Symbol', \
             'Map', 'JSON', 'Math', 'eval', 'Function', 'Date', 'RegExp', 'FinalizationRegistry', 'DataView', 'Float64Array']\
             .filter((name) => !(name in globalThis))",
            "",
        ),
        ("[console.log('a'), console.error('b'), console.table([1]), typeof console.time]", ",,,function"),
        // `undeclared = 1` is no error: scripts are not strict.
        ("(undeclared = 1, delete globalThis.undeclared)", "true"),
        ("new Error('m').stack.split('\\n')[0] + /evalmachine.<anonymous>:1:/.test(new Error().stack)", "Error: mtrue"),
    ] {
        assert_eq!(evaluate(&realm, text), expected, "{text}");
    }
    assert_eq!(stage.stderr.borrow().as_str(), "");
}

#[test]
fn members_of_the_context_become_globals() {
    let stage = Stage::new(&[]);
    let context = "{ require: function (m) { return m === 'util' ? require(m) : null; }, Buffer: Buffer, api: 'overwritten', setTimeout, limit: 5,
        get computed() { return this === undefined ? 0 : 7; } } // and a comment";
    let realm = stage.load(API, Some(context), "api.seen.push(1, new Error('x'));").unwrap();
    for (text, expected) in [
        ("typeof require('util').inspect + require('fs')", "functionnull"),
        ("new Buffer('a').toString('base64') + (Buffer.from('x') instanceof Buffer)", "YQ==true"),
        ("api.name + limit + computed + typeof setTimeout + typeof process", "api57functionundefined"),
        // Objects pass between the realms, and keep what they are.
        (
            "[[] instanceof require('util').inspect.constructor, Array.isArray(require('util').types), require('util').isArray([])]",
            "false,false,true",
        ),
        ("require('util').inspect({ a: [1], e: new Date(0) })", "{ a: [ 1 ], e: 1970-01-01T00:00:00.000Z }"),
        ("api.constructor === Object", "false"),
        ("delete globalThis.limit && typeof limit", "undefined"),
    ] {
        assert_eq!(evaluate(&realm, text), expected, "{text}");
    }
    let inherited =
        stage.load(API, Some("Object.create({ a: 1 }, { b: { value: 2, enumerable: true } })"), "").unwrap();
    assert_eq!(evaluate(&inherited, "a + b"), "3");
    let bare = stage.load(API, Some(""), "").unwrap();
    assert_eq!(evaluate(&bare, "typeof require"), "undefined");
}

#[test]
fn a_context_that_is_none_says_so() {
    let stage = Stage::new(&[]);
    for (context, expected) in [
        ("null", "app_context gives null, and not an object"),
        ("5", "app_context gives 5, and not an object"),
        ("{ a: ", "SyntaxError"),
        ("{ a: nothing }", "ReferenceError: nothing is not defined"),
        ("require('fs')", "engine = \"node\""),
        ("(function () { throw new Error('own') })()", "Error: own\n    at app_context:1:"),
    ] {
        let error = stage.load(API, Some(context), "").map(drop).unwrap_err();
        assert!(error.contains(expected), "{context}: {error}");
    }
    let error = stage.load(API, None, "\nvar a = 1;\nthrow new TypeError('at load');").map(drop).unwrap_err();
    assert!(error.starts_with("TypeError: at load\n    at evalmachine.<anonymous>:3:"), "{error}");
    let error = stage.load(API, None, "var a = ;").map(drop).unwrap_err();
    assert!(error.starts_with("SyntaxError: ") && error.contains("evalmachine.<anonymous>:1:"), "{error}");
}

/// As in Node, an app gets to the host realm in one expression (8.2, W9). Here there is nothing in it.
#[test]
fn there_is_nothing_to_be_had_in_the_host_realm() {
    let stage = Stage::new(&[]);
    let realm = stage.load(API, None, "var host = api.constructor.constructor('return globalThis')();").unwrap();
    assert_eq!(evaluate(&realm, "host !== globalThis && typeof host.process.nextTick"), "function");
    for text in [
        "host.process.binding",
        "host.process.dlopen",
        "host.process.mainModule",
        "host.process.kill",
        "host.process.stdin",
        "host.process.stdout",
        "host.std",
        "host.os",
        "host.Deno",
        "host.WebAssembly",
        "host.fetch",
        "host.XMLHttpRequest",
        "host.Worker",
        "host.load",
        "host.natives",
    ] {
        assert_eq!(evaluate(&realm, text), "undefined", "{text}");
    }
    assert_eq!(
        evaluate(&realm, "Object.keys(host.process.env).length + host.process.cwd() + host.process.argv"),
        "0/node"
    );
    // The stage leaves `require` there for its own use; it offers nothing more than to libraries.
    for name in [
        "fs",
        "child_process",
        "net",
        "http",
        "vm",
        "module",
        "worker_threads",
        "internal/process",
        "internal/require",
        "host",
        "app",
    ] {
        let text =
            format!("(() => {{ try {{ return host.require('{name}'); }} catch (error) {{ return error.code; }} }})()");
        assert_eq!(evaluate(&realm, &text), "MODULE_NOT_FOUND", "{name}");
    }
}

/// Everything that can be reached from an app, by properties and prototypes, is walked through: every function in it that has native code
/// is one that ECMAScript knows, or one of ours that is on the list.
#[test]
fn native_functions_in_reach_are_known() {
    let stage = Stage::new(&[]);
    let context = "{ require: require, Buffer: Buffer, process: process }";
    let walk = "var names = (function () {
        var seen = new Set(), todo = [globalThis, function* () {}, async function () {}, async function* () {}], found = new Set();
        ['assert', 'buffer', 'crypto', 'events', 'path', 'punycode', 'querystring', 'string_decoder', 'timers', 'url', 'util', 'process', 'console']
            .forEach(function (name) { todo.push(require(name)); });
        todo.push(api.constructor.constructor('return globalThis')());
        while (todo.length > 0) {
            var value = todo.pop();
            if (value === null || typeof value !== 'object' && typeof value !== 'function' || seen.has(value)) continue;
            seen.add(value);
            if (typeof value === 'function' && /\\{\\s*\\[native code\\]\\s*\\}$/.test(Function.prototype.toString.call(value))) found.add(value.name || 'unnamed ' + Reflect.ownKeys(value).map(String));
            todo.push(Object.getPrototypeOf(value));
            Reflect.ownKeys(value).forEach(function (key) {
                var is = Object.getOwnPropertyDescriptor(value, key);
                todo.push(is.value, is.get, is.set);
            });
        }
        return found;
    })();";
    let realm = stage.load(API, Some(context), walk).unwrap();
    // Of the language itself: what an empty realm has.
    let empty = rquickjs::Context::full(&stage.runtime).unwrap();
    let language: Vec<String> = empty.with(|ctx| {
        let walk = walk.replace("require(name)", "null").replace("api.", "({}).");
        ctx.eval::<(), _>(walk).catch(&ctx).unwrap();
        ctx.eval::<Vec<String>, _>("[...names]").unwrap()
    });
    let reached: Vec<String> = realm.with(|ctx| ctx.eval("[...names]").unwrap());
    // QuickJS makes it when it is first asked for.
    let later = ["DOMException", "get code", "get message", "get name"];
    let is_known = |name: &&String| language.contains(name) || later.contains(&name.as_str());
    let unknown: Vec<_> = reached.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(reached.len() > 300, "the walk did not get far: {}", reached.len());
}

/// What QuickJS would do differently without a word says so instead, in both realms.
#[test]
fn what_needs_intl_names_the_other_engine() {
    let stage = Stage::new(&[]);
    let realm = stage.load(API, None, "var inHost = api.constructor.constructor;").unwrap();
    for text in [
        "(5).toLocaleString('de')",
        "(5).toLocaleString(undefined, { style: 'currency', currency: 'ZAR' })",
        "new Date().toLocaleDateString('en-ZA')",
        "new Date().toLocaleTimeString([], { hour: '2-digit' })",
        "'a'.localeCompare('b', 'sv')",
    ] {
        for text in [text.to_owned(), format!("inHost(\"return {text}\")()")] {
            let error = evaluate(&realm, &text);
            assert!(error.starts_with("RangeError: ") && error.contains("use engine = \"node\""), "{text}: {error}");
        }
    }
    assert_eq!(
        evaluate(&realm, "(1234.5).toLocaleString() + new Date(0).toLocaleDateString() + 'a'.localeCompare('B')"),
        "1,234.51/1/1970-1"
    );
}
