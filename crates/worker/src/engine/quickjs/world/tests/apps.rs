//! Apps that are written with the toolkit ask for the same in both engines, in the same order.
//!
//! With `BELLJAR_TEST_APPS`, a directory, all `go-app*.js` in it are compared, too; their libraries are in its `node_modules`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::libraries::libraries;
use super::stage::Stage;
use super::{compare, is_installed, skip};

const MENU: &str = include_str!("../../../../../tests/apps/menu.js");
const INTERACT: &str = include_str!("../../../../../tests/apps/interact.js");
const DRIVER: &str = include_str!("apps/driver.js");

/// As in the configurations of the field.
const CONTEXT: &str = "{require: function(m) { if (m === '../../../lib') m = 'vumigo_v02'; \
    if (['moment', 'url', 'querystring', 'crypto', 'lodash', 'q', 'jed', 'vumigo_v02', 'seed-jsbox-utils', 'go-jsbox-metrics-helper'] \
    .indexOf(m) >= 0) return require(m); return null; }, Buffer: Buffer}";

fn messages(contents: &[&str]) -> Value {
    let mut all = vec![json!([null, "new"])];
    all.extend(contents.iter().map(|content| json!([content, "resume"])));
    all.push(json!([null, "close"]));
    all.push(json!([null, "new"]));
    all.into()
}

/// What an app asks for in QuickJS, line by line.
fn ours(source: &str, modules: &Path, settings: &Value) -> Vec<String> {
    let stage = Stage::new(&[modules.to_owned()]);
    stage.evaluate(&format!("(globalThis.driver = ({DRIVER})(require, {settings})) && ''")).unwrap();
    for message in 0..settings["messages"].as_array().unwrap().len() {
        stage.evaluate("driver.begin() ?? ''").unwrap();
        let realm = stage.load("driver.api", Some(CONTEXT), source).unwrap();
        stage.evaluate(&format!("driver.message({message})")).unwrap();
        drop(realm);
    }
    assert_eq!(stage.stderr.borrow().as_str(), "");
    serde_json::from_str(&stage.evaluate("driver.result()").unwrap()).unwrap()
}

/// What it asks for in Node.
fn nodes(source: &str, modules: &Path, settings: &Value) -> Vec<String> {
    let [source, modules] = [source, &modules.to_string_lossy()].map(|text| json!(text).to_string());
    let program = format!(
        "(async () => {{ const vm = require('vm'); const inside = require('module').createRequire({modules} + '/app.js');
          const driver = ({DRIVER})(require, {settings});
          for (let at = 0; at < driver.count; at += 1) {{
            driver.begin();
            const members = ((require) => ({CONTEXT}))(inside);
            members.api = driver.api;
            vm.createContext(members);
            vm.runInContext({source}, members, {{ filename: 'evalmachine.<anonymous>' }});
            await driver.message(at);
          }}
          return driver.result(); }})()"
    );
    serde_json::from_str(&compare::node(&program)).unwrap()
}

fn same(name: &str, source: &str, modules: &Path, settings: &Value) -> Vec<String> {
    let ours = ours(source, modules, settings);
    let theirs = nodes(source, modules, settings);
    for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        // What is logged of an error in the app has the engine's own words.
        if !(is_error(ours) && is_error(theirs)) {
            assert_eq!(ours, theirs, "{name}: request {at}");
        }
    }
    assert_eq!(ours.len(), theirs.len(), "{name}");
    ours
}

fn is_error(line: &str) -> bool {
    line.contains("\"cmd\":\"log.error\"")
}

fn commands(lines: &[String]) -> Vec<String> {
    let command = |line: &String| serde_json::from_str::<Value>(line).unwrap()["cmd"].as_str().unwrap().to_owned();
    lines.iter().map(command).collect()
}

fn needed(test: &str) -> Option<PathBuf> {
    if !is_installed("node") {
        skip(test, "node is not installed");
        return None;
    }
    libraries().map_err(|reason| skip(test, &reason)).ok()
}

/// Reference 3.6: what one message of a new user costs in requests.
#[test]
fn a_bundled_app_asks_for_the_same_as_in_node() {
    let Some(modules) = needed("a_bundled_app_asks_for_the_same_as_in_node") else { return };
    let settings = json!({
        "config": {"name": "menu", "default_lang": "xx"},
        "translations": {"translation.xx": "{\"\": {\"plural_forms\": \"nplurals=2; plural=(n != 1);\"}, \"Goodbye!\": [null, \"Tschüß!\"]}"},
        "messages": messages(&["4nna", "Änne", "1", "4", "5", "1", "1", "7", "9", "2", "", "Otto", "2", "x", "Eva", "3", "!reset"]),
    });
    let asked = same("menu", MENU, &modules, &settings);
    let first: Vec<_> = commands(&asked).into_iter().take(9).collect();
    let expected = [
        // The third of config is the translation, the last before the reply what the app itself logs.
        "log.info",
        "config.get",
        "kv.get",
        "config.get",
        "log.info",
        "log.info",
        "log.info",
        "outbound.reply_to",
        "kv.set",
    ];
    assert_eq!(first, expected);
    assert_eq!(asked.iter().filter(|line| line.contains("\"js.done\"")).count(), 20);
    assert!(asked.iter().any(|line| line.contains("Tschüß")), "no translation was used");
    assert!(
        asked.iter().any(|line| line.contains("\"Authorization\":[\"Basic dXNlcjpww6Rzc3dvcmQ=\"]")),
        "no authorization was sent"
    );
    assert!(asked.iter().any(|line| line.contains("1 March 2026")));
}

#[test]
fn an_app_in_the_style_of_the_examples_asks_for_the_same_as_in_node() {
    let Some(modules) = needed("an_app_in_the_style_of_the_examples_asks_for_the_same_as_in_node") else { return };
    let settings = json!({"config": {"name": "tea"}, "messages": messages(&["1", "9", "2", "x"])});
    let asked = same("tea", INTERACT, &modules, &settings);
    let one_turn = [
        "log.info",
        "config.get",
        "kv.get",
        "log.info",
        "log.info",
        "outbound.reply_to",
        "kv.set",
        "log.info",
        "js.done",
    ];
    assert_eq!(commands(&asked)[..one_turn.len()], one_turn);
    assert!(asked.iter().any(|line| line.contains("out of coffee")), "the error was not logged: {asked:#?}");
}

#[test]
fn apps_of_others_ask_for_the_same_as_in_node() {
    let Some(directory) = std::env::var_os("BELLJAR_TEST_APPS").map(PathBuf::from) else { return };
    let service = json!({"base_url": "http://example.com/", "url": "http://example.com/", "token": "t", "username": "u", "password": "p"});
    let services =
        ["rapidpro", "openhim", "hub", "engage", "whatsapp", "contentrepo", "eventstore", "turn", "identity_store"];
    let mut config = json!({"name": "theirs", "testing_today": "2026-01-01", "services": {}});
    for name in services {
        config[name] = service.clone();
        config["services"][name] = service.clone();
    }
    let mut contents =
        vec!["1", "1", "2", "1", "Anna", "2", "0820000000", "1990", "3", "15", "1", "8001015009087", "1", "9", "0"];
    contents.extend_from_within(2..);
    let settings = json!({"config": config, "messages": messages(&contents), "random": true});
    let mut compared = 0;
    for entry in std::fs::read_dir(&directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !(name.starts_with("go-app") && name.ends_with(".js")) {
            continue;
        }
        let source = std::fs::read_to_string(entry.path()).unwrap();
        let asked = same(&name, &source, &directory.join("node_modules"), &settings);
        println!("{name}: {} requests", asked.len());
        compared += 1;
    }
    assert!(compared > 0, "no go-app*.js in {}", directory.display());
}

/// What is loaded once and then copied for each message is everything: libraries, and the app.
#[test]
fn apps_of_the_toolkit_are_loaded_once() {
    use super::super::super::app::App;
    use super::super::super::fresh::Extent;
    use super::super::super::wire::Load;

    let test = "apps_of_the_toolkit_are_loaded_once";
    let modules = match libraries() {
        Ok(modules) => modules,
        Err(reason) => return skip(test, &reason),
    };
    for source in [MENU, INTERACT, "require('vumigo_v02'); new Date(2026, 1, 1);"] {
        let load = Load {
            source: source.to_owned(),
            app_context: Some(CONTEXT.to_owned()),
            modules: vec![modules.clone()],
            memory: 64 << 20,
            message_memory: 64 << 20,
            load_ms: 60_000,
            cpu_seconds: 60,
            open_files: 16,
            extent: Extent::App,
        };
        let begin = std::time::Instant::now();
        let mut app = App::new(&load).unwrap();
        let engine = begin.elapsed();
        app.load(&load).unwrap();
        println!("engine {engine:?}, app {:?}, {} bytes", begin.elapsed() - engine, app.memory());
        assert_eq!(app.fresh.extent(), Extent::App);
    }
}
