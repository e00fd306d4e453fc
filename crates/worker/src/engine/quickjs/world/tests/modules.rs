//! `require`: what is found, in what order, and what is refused.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use super::stage::Stage;

/// A directory with `app/node_modules`, `shared/node_modules` and `outside`.
struct Tree(TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for directory in ["app/node_modules", "shared/node_modules", "outside"] {
            std::fs::create_dir_all(tree.path(directory)).unwrap();
        }
        for (name, text) in files {
            let path = tree.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn stage(&self) -> Stage {
        Stage::new(&[self.path("app/node_modules"), self.path("shared/node_modules"), self.path("missing")])
    }

    /// What an expression gives, with the tree's own path written as `~`.
    fn evaluate(&self, text: &str) -> String {
        let root = self.path("").to_string_lossy().trim_end_matches('/').to_owned();
        let text = text.replace('~', &root);
        let (Ok(given) | Err(given)) = self.stage().evaluate(&format!("(async () => JSON.stringify({text}))()"));
        given.replace(&root, "~")
    }
}

#[test]
fn modules_are_found_as_in_node() {
    let tree = Tree::new(&[
        ("app/node_modules/plain.js", "module.exports = 'plain'"),
        ("app/node_modules/data.json", "\u{feff}{\"a\": [1]}"),
        ("app/node_modules/index-only/index.js", "exports.name = 'index'"),
        ("app/node_modules/with-main/package.json", "{\"main\": \"lib/start\"}"),
        (
            "app/node_modules/with-main/lib/start.js",
            "module.exports = require('./other') + require('..').late + require('../data')",
        ),
        ("app/node_modules/with-main/lib/other.js", "module.exports = 'other'"),
        ("app/node_modules/with-main/data.json", "\"!\""),
        ("app/node_modules/main-directory/package.json", "{\"main\": \"./lib/\"}"),
        ("app/node_modules/main-directory/lib/index.js", "module.exports = 'lib'"),
        ("app/node_modules/main-missing/package.json", "{\"main\": \"gone.js\"}"),
        ("app/node_modules/main-missing/index.js", "module.exports = 'fallback'"),
        ("app/node_modules/outer/index.js", "module.exports = [require('inner'), require('shared'), require('plain')]"),
        ("app/node_modules/outer/node_modules/inner/index.js", "module.exports = 'nested ' + require('plain')"),
        ("app/node_modules/inner/index.js", "module.exports = 'top'"),
        ("shared/node_modules/shared/index.js", "module.exports = 'shared'"),
        ("shared/node_modules/plain.js", "module.exports = 'hidden by the first directory'"),
        ("app/node_modules/@scope/package/index.js", "module.exports = 'scoped'"),
        ("app/node_modules/@scope/package/sub/file.js", "module.exports = 'scoped file'"),
        ("app/node_modules/exact", "module.exports = 'no extension'"),
        (
            "app/node_modules/shebang.js",
            "#!/usr/bin/env node\nmodule.exports = new Error('x').stack.split('\\n')[1].match(/:(\\d+):/)[1]",
        ),
        (
            "app/node_modules/exporting/package.json",
            "{\"exports\": {\".\": {\"import\": \"./no.mjs\", \"require\": \"./yes.js\"}, \"./sub/*\": \"./lib/*.js\", \"./none\": null}}",
        ),
        ("app/node_modules/exporting/yes.js", "module.exports = 'by exports'"),
        ("app/node_modules/exporting/lib/a.js", "module.exports = 'by pattern'"),
        ("app/node_modules/exporting/private.js", "module.exports = 'private'"),
        (
            "app/node_modules/sloppy.js",
            "undeclared = 1; delete Object.freeze({a: 1}).a; module.exports = (function() { return this === globalThis; })()",
        ),
        ("app/node_modules/returns.js", "exports.a = 1; return; exports.a = 2;"),
    ]);
    symlink(tree.path("app/node_modules/index-only"), tree.path("app/node_modules/linked")).unwrap();
    for (text, expected) in [
        ("require('plain')", r#""plain""#),
        ("require('plain.js')", r#""plain""#),
        ("require('data')", r#"{"a":[1]}"#),
        ("require('index-only').name", r#""index""#),
        ("require('with-main')", r#""otherundefined!""#),
        ("require('main-directory')", r#""lib""#),
        ("require('main-missing')", r#""fallback""#),
        ("require('outer')", r#"["nested plain","shared","plain"]"#),
        ("require('inner')", r#""top""#),
        ("require('@scope/package') + require('@scope/package/sub/file')", r#""scopedscoped file""#),
        ("require('exact')", r#""no extension""#),
        ("require('shebang')", r#""2""#),
        ("require('exporting') + require('exporting/sub/a')", r#""by exportsby pattern""#),
        ("require('sloppy')", "true"),
        ("require('returns')", r#"{"a":1}"#),
        // A link is the file that it leads to.
        ("require('linked') === require('index-only')", "true"),
        ("require.resolve('linked')", r#""~/app/node_modules/index-only/index.js""#),
        ("require('~/app/node_modules/plain')", r#""plain""#),
        ("require('./plain')", r#""plain""#),
        ("require.resolve('fs-is-not-there-but-util')", "Error: Cannot find module 'fs-is-not-there-but-util'"),
    ] {
        let given = tree.evaluate(text);
        assert_eq!(given.split("\n    at").next().unwrap(), expected, "{text}");
    }
}

#[test]
fn a_module_knows_where_it_is_and_is_run_once() {
    let tree = Tree::new(&[
        (
            "app/node_modules/a/index.js",
            "globalThis.runs = (globalThis.runs || 0) + 1;
             module.exports = { id: module.id, filename: module.filename, __filename, __dirname, loaded: module.loaded,
               paths: module.paths, parent: module.parent.id, same: this === exports && module.exports !== undefined,
               main: require.main === module, child: require('./b') };",
        ),
        (
            "app/node_modules/a/b.js",
            "exports.parent = module.parent.filename; exports.cached = Object.keys(require.cache).length;",
        ),
        ("app/node_modules/one.js", "exports.early = 1; exports.other = require('./two').seen; exports.late = 1;"),
        ("app/node_modules/two.js", "var one = require('./one'); exports.seen = Object.keys(one).join();"),
        (
            "app/node_modules/fails.js",
            "globalThis.tries = (globalThis.tries || 0) + 1; throw new RangeError('at load ' + globalThis.tries)",
        ),
        ("app/node_modules/broken.json", "{\"a\": }"),
        ("app/node_modules/syntax.js", "var a = ;"),
    ]);
    let text = tree.evaluate("[require('a'), require('a') === require('a/index'), globalThis.runs]");
    let given: serde_json::Value = serde_json::from_str(&text).unwrap();
    let file = "~/app/node_modules/a/index.js";
    for (name, value) in
        [("id", file), ("filename", file), ("__filename", file), ("__dirname", "~/app/node_modules/a"), ("parent", ".")]
    {
        assert_eq!(given[0][name], value, "{name}");
    }
    assert_eq!(
        given[0]["paths"],
        serde_json::json!(["~/app/node_modules/a/node_modules", "~/app/node_modules", "~/shared/node_modules"])
    );
    assert_eq!(
        (&given[0]["loaded"], &given[0]["same"], &given[0]["main"]),
        (&false.into(), &true.into(), &false.into())
    );
    assert_eq!(given[0]["child"], serde_json::json!({"parent": file, "cached": 2}));
    assert_eq!((&given[1], &given[2]), (&true.into(), &1.into()));
    // What is required in a circle is seen as far as it is.
    assert_eq!(tree.evaluate("require('one')"), r#"{"early":1,"other":"early","late":1}"#);
    let twice = "['fails', 'fails'].map((name) => { try { require(name); } catch (error) { return String(error); } })";
    assert_eq!(tree.evaluate(twice), r#"["RangeError: at load 1","RangeError: at load 2"]"#);
    assert!(tree.evaluate("require('broken')").starts_with("SyntaxError: ~/app/node_modules/broken.json: "));
    let syntax = tree.evaluate("require('syntax')");
    assert!(syntax.starts_with("SyntaxError: ") && syntax.contains("~/app/node_modules/syntax.js:1:"), "{syntax}");
    assert_eq!(
        tree.evaluate("[delete require.cache[require.resolve('a')], require('a').id, globalThis.runs]"),
        format!("[true,\"{file}\",1]")
    );
}

/// Nothing outside of the configured directories is read, whatever leads there.
#[test]
fn nothing_outside_is_read() {
    let tree = Tree::new(&[
        ("outside/secret.js", "module.exports = 'secret'"),
        ("outside/secret.json", "{\"secret\": 1}"),
        ("outside/package/package.json", "{\"main\": \"../secret.js\"}"),
        ("app/secret.js", "module.exports = 'secret'"),
        ("app/node_modules/climbs/index.js", "module.exports = require('../../secret')"),
        ("app/node_modules/main-climbs/package.json", "{\"main\": \"../../../outside/secret.js\"}"),
        ("app/node_modules/exports-climbs/package.json", "{\"exports\": \"./../../../outside/secret.js\"}"),
        ("app/node_modules/pattern-climbs/package.json", "{\"exports\": {\"./*\": \"./*\"}}"),
    ]);
    symlink(tree.path("outside/secret.js"), tree.path("app/node_modules/file-link.js")).unwrap();
    symlink(tree.path("outside/package"), tree.path("app/node_modules/directory-link")).unwrap();
    symlink(tree.path("outside"), tree.path("app/node_modules/parent-link")).unwrap();
    symlink("/etc", tree.path("app/node_modules/etc")).unwrap();
    for text in [
        "require('climbs')",
        "require('main-climbs')",
        "require('exports-climbs')",
        "require('pattern-climbs/../../../../outside/secret.js')",
        "require('file-link')",
        "require('directory-link')",
        "require('parent-link/secret')",
        "require('parent-link/secret.json')",
        "require('etc/passwd')",
        "require('../../outside/secret')",
        "require('~/outside/secret')",
        "require('~/app/node_modules/../secret')",
        "require('/etc/passwd')",
        "require('a/../../../outside/secret')",
        "require('..')",
        "require('/')",
        "require('plain\\0.js')",
    ] {
        let given = tree.evaluate(&format!("((r) => {{ try {{ return [r(), 0]; }} catch (error) {{ return [error.code, error.message]; }} }})(() => {text})"));
        assert!(!given.contains("secret\"") && !given.contains("root:"), "{text}: {given}");
        let code = ["[\"MODULE_NOT_FOUND\",", "[\"ERR_PACKAGE_PATH_NOT_EXPORTED\","];
        assert!(code.iter().any(|code| given.starts_with(code)), "{text}: {given}");
    }
    assert!(
        tree.evaluate("require('file-link')")
            .contains("~/outside/secret.js is outside of the configured node_modules directories")
    );
}

/// What QuickJS cannot run names the engine that can.
#[test]
fn what_cannot_be_loaded_names_the_other_engine() {
    let tree = Tree::new(&[
        ("app/node_modules/esm/package.json", "{\"type\": \"module\", \"main\": \"index.js\"}"),
        ("app/node_modules/esm/index.js", "export default 1"),
        ("app/node_modules/file.mjs", "export default 1"),
        ("app/node_modules/native/package.json", "{\"main\": \"build/addon\"}"),
        ("app/node_modules/native/build/addon.node", "\u{7f}ELF"),
        ("app/node_modules/uses-fs.js", "require('fs')"),
    ]);
    for name in [
        "esm",
        "file.mjs",
        "native",
        "uses-fs",
        "fs",
        "node:http",
        "https",
        "net",
        "child_process",
        "vm",
        "worker_threads",
        "fs/promises",
    ] {
        let given = tree.evaluate(&format!("require('{name}')"));
        assert!(given.contains("engine = \"node\""), "{name}: {given}");
    }
    assert!(tree.evaluate("require('uses-fs')").contains("Require stack:\n- ~/app/node_modules/uses-fs.js"));
    let tolerant = "(() => { try { return require('fs'); } catch (error) { return error.code; } })()";
    assert_eq!(tree.evaluate(tolerant), r#""MODULE_NOT_FOUND""#);
}
