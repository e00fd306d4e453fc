//! Apps that mean harm, or do it.

use std::time::Duration;

use belljar_worker::engine::quickjs::{QuickJs, QuickJsApp, QuickJsSettings};
use belljar_worker::engine::{Ending, Engine as _, EngineError};

use super::{ECHO, app, hear, message, start, tell};
use crate::bench::Bench;

/// Little of everything.
fn tight() -> QuickJsSettings {
    QuickJsSettings {
        message_memory: 16 << 20,
        load_time: Duration::from_secs(3),
        cpu_time: Duration::from_secs(2),
        processes: 8,
        sandbox_memory: 256 << 20,
        ..QuickJsSettings::default()
    }
}

async fn start_tight(bench: &Bench, app: QuickJsApp) -> Result<QuickJs, EngineError> {
    QuickJs::load_app(bench.launcher.clone(), app, tight()).await
}

/// What must end, and how; and that the next message is served as if nothing had been.
pub(crate) async fn what_uses_up_its_limits_is_ended(bench: &Bench) {
    use Ending::{CpuTime, Exited, Memory};

    for (body, endings, text) in [
        ("for (;;) {}", &[CpuTime][..], "evalmachine"),
        ("for (;;) { try { for (;;) {} } catch (e) {} }", &[CpuTime], ""),
        ("(function again() { Promise.resolve().then(again); })();", &[CpuTime], ""),
        ("/^(a+)+$/.test('a'.repeat(40) + 'b');", &[CpuTime, Exited(1)], ""),
        ("new Array(2e8) + '';", &[CpuTime, Memory], ""),
        ("var a = []; for (;;) a.push(new Array(1000).fill(a.length));", &[Memory], "out of memory"),
        ("var s = 'x'; for (;;) s += s;", &[Memory, Exited(1)], ""),
        ("var a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1));", &[Memory], "out of memory"),
        ("new ArrayBuffer(1 << 30);", &[Memory, Exited(1)], ""),
        ("for (var i = 0, a = {}; ; i++) a = {a: a, b: [a]};", &[Memory], ""),
        ("for (;;) { try { var a = []; for (;;) a.push([a]); } catch (e) {} }", &[CpuTime, Memory], ""),
        ("(function deep() { deep(); })();", &[Exited(1)], "stack"),
        ("JSON.parse('['.repeat(1e6));", &[Exited(1)], ""),
        ("var a = []; for (var i = 0; i < 1e6; i++) a = [a]; JSON.stringify(a);", &[Exited(1), Memory], ""),
        ("new RegExp('('.repeat(1e5) + ')'.repeat(1e5));", &[Exited(1)], ""),
        ("var p = new Proxy({}, {get: function (t, k, r) { return r[k]; }}); p.x;", &[Exited(1)], "stack"),
        (
            "var line = {cmd: 'a.b', cmd_id: 1, reply: false, text: 'x'.repeat(1e5)}; for (;;) this.emitter.emit('request', line);",
            &[Exited(1)],
            "at once",
        ),
        ("throw {get stack() { for (;;) {} }};", &[CpuTime, Exited(1)], ""),
        ("throw {toString: function () { for (;;) {} }};", &[CpuTime, Exited(1)], ""),
    ] {
        let source = format!(
            "api.on_inbound_message = function (command) {{ if (command.msg.content === 'bad') {{ {body} }} this.done(); }};"
        );
        let engine = start_tight(bench, app(&source)).await.unwrap();
        let heard = tell(&engine, "bad").await;
        assert!(endings.contains(&heard.ending), "{body}: {heard:?}");
        assert!(heard.stderr.contains(text), "{body}: {}", heard.stderr);
        let heard = tell(&engine, "good").await;
        assert_eq!(heard.ending, Exited(0), "after {body}: {heard:?}");
        engine.close().await;
    }
}

/// The same while it loads: it is refused in time.
pub(crate) async fn loading_has_limits(bench: &Bench) {
    for (source, text) in [
        ("for (;;) {}", "interrupted"),
        ("var a = []; for (;;) a.push(new Array(1000).fill(a.length));", "out of memory"),
        ("new Array(2e8) + '';", ""),
        ("(function deep() { deep(); })();", "stack"),
    ] {
        let told = start_tight(bench, app(source)).await;
        assert!(matches!(&told, Err(EngineError::App(told)) if told.contains(text)), "{source}: {told:?}");
    }
}

/// There is nothing to be had of the host's realm, and nothing in there to be asked.
pub(crate) async fn the_hosts_realm_has_nothing_to_give(bench: &Bench) {
    let mut app = app("
        var host = api.constructor.constructor;
        var tries = [
            'typeof process === \"undefined\" ? undefined : process.binding',
            'typeof process === \"undefined\" ? undefined : process.mainModule',
            'typeof process === \"undefined\" ? undefined : process.dlopen',
            'require(\"fs\").readFileSync(\"/etc/passwd\")',
            'require(\"child_process\").execSync(\"id\")',
            'require(\"net\").connect(80)',
            'require(\"std\")', 'require(\"os\").open', 'std', 'os', 'bjson', 'scriptArgs', 'loadScript', 'Deno', 'Bun',
            'require(\"/proc/self/environ\")', 'require(\"../../../../proc/self/maps\")', 'require(\"/belljar-quickjs\")',
        ];
        api.on_inbound_message = function () {
            var api = this;
            var found = tries.filter(function (text) {
                try { return host('require', 'return (' + text + ')')(require) !== undefined; } catch (e) { return false; }
            });
            import('/proc/self/environ').then(function () { found.push('import'); }, function () {}).then(function () {
                api.log_info('found: ' + found.join('; '));
                api.done();
            });
        };");
    app.app_context = Some("({require: require})".to_owned());
    let engine = start_tight(bench, app).await.unwrap();
    let heard = tell(&engine, "").await;
    assert_eq!(heard.said(), ["found: "], "{heard:?}");
    engine.close().await;
}

/// 100 MB of output are the reader's to stop: who does not read stops the writer, and a kill ends it.
pub(crate) async fn a_flood_waits_for_its_reader(bench: &Bench) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let source = "api.on_inbound_message = function () {
        var text = 'x'.repeat(1 << 20);
        for (var i = 0; i < 100; i++) this.request('log.info', {msg: text});
    };";
    let engine = QuickJs::load_app(bench.launcher.clone(), app(source), QuickJsSettings::default()).await.unwrap();
    let mut process = engine.process().await.unwrap();
    process.stdin.write_all(&message("").to_line()).await.unwrap();
    let mut some = vec![0; 1 << 20];
    process.stdout.read_exact(&mut some).await.unwrap();
    process.control.kill();
    assert_eq!(process.control.ended().await, Ending::Signaled(9));
    engine.close().await;
}

/// Timers that never end, silence, a process that is killed before it had a message: a kill always works.
pub(crate) async fn a_kill_works_always(bench: &Bench) {
    let mut app = app("api.on_inbound_message = function (command) {
        if (command.msg.content === 'timers') setInterval(function () {}, 1);
        if (command.msg.content === 'native') new Array(2e8) + '';
    };");
    app.app_context = Some("({setInterval: setInterval})".to_owned());
    let engine = QuickJs::load_app(bench.launcher.clone(), app, QuickJsSettings::default()).await.unwrap();
    for content in ["timers", "silence", "native"] {
        let process = engine.process().await.unwrap();
        let heard = hear(process, &[message(content)], Duration::from_millis(300)).await;
        assert!(matches!(heard.ending, Ending::Signaled(9) | Ending::Memory), "{content}: {heard:?}");
    }
    let mut process = engine.process().await.unwrap();
    process.control.kill();
    assert_eq!(process.control.ended().await, Ending::Signaled(9));
    assert_eq!(process.control.ended().await, Ending::Signaled(9), "it may be asked again");
    engine.close().await;
}

/// No more at a time than there may be; who waits gets its turn when one is gone.
pub(crate) async fn there_are_no_more_processes_than_there_may_be(bench: &Bench) {
    let settings = QuickJsSettings { processes: 3, ahead: 1, ..QuickJsSettings::default() };
    let engine = QuickJs::load_app(bench.launcher.clone(), app(ECHO), settings).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(engine.process().await.unwrap());
    }
    let waited = tokio::time::timeout(Duration::from_millis(200), engine.process()).await;
    assert!(waited.is_err(), "a fourth");
    held.pop();
    let process = tokio::time::timeout(super::SOON, engine.process()).await.unwrap().unwrap();
    drop(held);
    assert_eq!(hear(process, &[message("")], super::SOON).await.ending, Ending::Exited(0));
    engine.close().await;
}

/// The zygote is killed, with all that it had forked: they are told, and another takes its place.
pub(crate) async fn a_killed_zygote_is_replaced(bench: &Bench) {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("node_modules");
    std::fs::create_dir(&mark).unwrap();
    let mut app = app(ECHO);
    app.node_modules = vec![mark.clone()];
    let engine = QuickJs::load_app(bench.launcher.clone(), app, QuickJsSettings::default()).await.unwrap();
    assert_eq!(tell(&engine, "").await.ending, Ending::Exited(0));
    let mut orphan = engine.process().await.unwrap();
    let zygote = zygote_with(mark.to_str().unwrap());
    rustix::process::kill_process(zygote, rustix::process::Signal::KILL).unwrap();
    let ending = tokio::time::timeout(super::SOON, orphan.control.ended()).await.unwrap();
    assert!(matches!(ending, Ending::Failed(_) | Ending::Memory), "{ending:?}");
    assert_eq!(tell(&engine, "").await.ending, Ending::Exited(0));
    engine.close().await;
}

/// The zygote that has this mount: the oldest process of those.
fn zygote_with(mount: &str) -> rustix::process::Pid {
    let mut pids: Vec<i32> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("cmdline").starts_with("/belljar-quickjs") && read("mountinfo").contains(mount)
        })
        .collect();
    pids.sort_unstable();
    rustix::process::Pid::from_raw(pids[0]).unwrap()
}

/// Many at once, each with its own content: no answer goes astray.
pub(crate) async fn many_at_once_do_not_mix(bench: &Bench) {
    let engine = start(bench, ECHO).await;
    let contents: Vec<String> = (0..60).map(|number| format!("message {number}")).collect();
    let told = futures_util::future::join_all(contents.iter().map(|content| tell(&engine, content))).await;
    for (content, heard) in contents.iter().zip(told) {
        let reply = heard.requests.iter().find(|command| command.cmd == "outbound.reply_to").unwrap();
        assert_eq!(reply.fields["content"], content.as_str());
        assert_eq!(heard.ending, Ending::Exited(0));
    }
    engine.close().await;
}

/// Each within its limit, and all together above that of the sandbox: the kernel chooses, and whom it chose is told.
pub(crate) async fn messages_that_are_too_large_together_are_told(bench: &Bench) {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    let settings =
        QuickJsSettings { message_memory: 64 << 20, sandbox_memory: 100 << 20, ..QuickJsSettings::default() };
    let source = "var kept = []; api.on_inbound_message = function () {
        for (var i = 0; i < 40; i++) kept.push(new Uint8Array(1 << 20).fill(1));
        this.log_info('full');
    };";
    let engine = QuickJs::load_app(bench.launcher.clone(), app(source), settings).await.unwrap();
    let mut full = Vec::new();
    let mut killed = None;
    while killed.is_none() && full.len() < 5 {
        let mut process = engine.process().await.unwrap();
        process.stdin.write_all(&message("").to_line()).await.unwrap();
        let mut lines = BufReader::new(&mut process.stdout).lines();
        loop {
            match lines.next_line().await {
                Ok(Some(line)) if !line.contains("full") => {}
                Ok(Some(_)) => break,
                _ => {
                    killed = Some(process.control.ended().await);
                    break;
                }
            }
        }
        full.push(process);
    }
    // Whom the kernel takes is its choice; that somebody goes is not.
    let mut endings: Vec<Ending> = killed.into_iter().collect();
    for process in &mut full {
        if let Ok(ending) = tokio::time::timeout(Duration::from_millis(500), process.control.ended()).await {
            endings.push(ending);
        }
    }
    assert!(endings.contains(&Ending::Memory), "{endings:?} of {}", full.len());
    drop(full);
    assert!(engine.process().await.is_ok());
    engine.close().await;
}
