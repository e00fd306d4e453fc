//! PT Sandbox, by the API of its web interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use belljar_client::vendors::pt::words::{
    ComponentStatus, LicenseStatus, LicenseUpdateError, Permission, QueueState, SourceType, SupportStatus, SystemCode,
    SystemGroup, Verdict,
};
use belljar_client::vendors::pt::{Account, ColumnsOf, TaskQuery, TreeQuery, UNFINISHED, patch};
use belljar_client::vendors::{Pt, PtSettings};
use belljar_client::{ArtifactKind, Capability, ErrorKind, Hash, Sandbox, Secret, Submission};
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value, json};

use crate::pt::{body, env, path, settings};
use crate::stand_in::{Received, Reply, StandIn};

const PASSWORD: &str = "pässw0rd-of-me";

fn account(login_host: Option<&str>) -> Account {
    Account {
        login: "me".to_owned(),
        password: Secret::new(PASSWORD),
        ldap: false,
        login_host: login_host.map(str::to_owned),
    }
}

fn with_account(address: &str) -> Pt {
    Pt::new(PtSettings { account: Some(account(None)), ..settings(address) }).unwrap()
}

fn is_password(request: &Received) -> bool {
    body(request)["password"] == PASSWORD
}

/// Who logs in: the steps of a browser, with two cookies of which each is wanted later. `login` is the origin of the login page.
fn browser(request: &Received, login: &str) -> Option<Reply> {
    let cookie = request.headers.get("cookie").map_or("", String::as_str);
    Some(match (request.method.as_str(), path(request)) {
        ("GET", "/api/ui/auth/authorize") => {
            let location = format!("{login}/connect?state=a%2Fb&x=1+2");
            env(&json!({"location": location}))
        }
        ("POST", "/ui/login") if is_password(request) => Reply::json(200, "{}").with("set-cookie", "idp=1; Path=/"),
        ("POST", "/ui/login") => Reply::json(401, "{}"),
        ("GET", "/connect") if cookie.contains("idp=1") => {
            assert!(request.target.ends_with("?state=a%2Fb&x=1+2"), "as it was given: {}", request.target);
            Reply::json(302, "").with("location", "/done")
        }
        ("GET", "/done") => {
            Reply::typed(200, "text/html", "<html>").with("set-cookie", "refresh=r1; Path=/api/ui; HttpOnly")
        }
        ("POST", "/api/ui/auth/token") if cookie.contains("refresh=") => env(&json!({"accessToken": "t0ken-1"})),
        ("POST", "/api/ui/auth/token") => Reply::json(401, "no cookie"),
        _ => return None,
    })
}

/// A server whose login page is its own, and that answers those who are logged in.
async fn ui(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> (StandIn, Pt) {
    let server = StandIn::start(move |request| {
        let login = format!("http://{}", request.headers["host"]);
        if let Some(reply) = browser(request, &login) {
            return reply;
        }
        assert_eq!(request.headers["authorization"], "Bearer t0ken-1");
        assert_eq!(request.headers["content-type"], "application/json");
        assert!(request.headers["cookie"].contains("refresh="));
        assert!(!request.headers.contains_key("x-api-key"));
        answer(request)
    })
    .await;
    let pt = with_account(&server.address);
    (server, pt)
}

async fn one(answer: Reply) -> (StandIn, Pt) {
    let answer = (answer.status, String::from_utf8(answer.body).unwrap());
    ui(move |_| Reply::json(answer.0, &answer.1)).await
}

async fn flat(answer: Value) -> (StandIn, Pt) {
    one(Reply::json(200, &answer.to_string())).await
}

/// Lines of what came, without those of logging in.
fn asked(server: &StandIn) -> Vec<String> {
    let login = ["/api/ui/auth/", "/ui/login", "/connect", "/done"];
    let lines = server.take().into_iter().filter(|request| !login.iter().any(|step| path(request).starts_with(step)));
    lines.map(|request| request.line()).collect()
}

/// Checklist 10: the steps of logging in, once for many questions. The login page is on another port of the same host, as it is in reality.
#[tokio::test]
async fn logging_in_is_what_a_browser_does() {
    let page = StandIn::start(|request| browser(request, "").unwrap()).await;
    let origin = page.address.clone();
    let server = StandIn::start(move |request| {
        browser(request, &origin).unwrap_or_else(|| Reply::json(200, r#"{"events": []}"#))
    })
    .await;
    let pt = with_account(&server.address);
    let ui = pt.ui().unwrap();
    let all = futures_util::future::join_all((0..4).map(|_| ui.status())).await;
    assert!(all.iter().all(|events| events.as_ref().unwrap().is_empty()));
    let received = server.take();
    assert_eq!(
        received.iter().filter(|request| path(request).starts_with("/api/ui/auth")).count(),
        2,
        "logged in once"
    );
    let fingerprint = received[0].target.strip_prefix("/api/ui/auth/authorize?fingerprint=").unwrap();
    assert!(fingerprint.len() == 32 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()), "{fingerprint}");
    assert_eq!(body(&received[1]), json!({"fingerprint": fingerprint}));
    let pages = page.take();
    let lines: Vec<String> = pages.iter().map(Received::line).collect();
    assert_eq!(lines, ["POST /ui/login", "GET /connect?state=a%2Fb&x=1+2", "GET /done"]);
    let sent = json!({"username": "me", "password": PASSWORD, "authType": 0, "rememberLogin": true});
    assert_eq!(body(&pages[0]), sent);
}

/// Weakness 7: a wrong password is told as one, each time; the client goes on living.
#[tokio::test]
async fn a_wrong_password_is_told() {
    let (server, _) = flat(json!({"events": []})).await;
    let mut settings = PtSettings { account: Some(account(None)), ..settings(&server.address) };
    settings.account.as_mut().unwrap().password = Secret::new("wrong-one");
    let pt = Pt::new(settings).unwrap();
    for _ in 0..2 {
        let error = pt.ui().unwrap().status().await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Unauthenticated(_)), "{error}");
    }
    let tries = server.take().iter().filter(|request| path(request) == "/ui/login").count();
    assert_eq!(tries, 2, "a password is tried once for each question: accounts are locked after some");
    let without = Pt::new(self::settings(&server.address)).unwrap();
    assert!(matches!(without.ui().unwrap_err().kind, ErrorKind::Invalid(_)));
}

/// The password goes nowhere else, whatever the server says.
#[tokio::test]
async fn a_password_goes_to_the_sandboxes_own_host_alone() {
    let port = |server: &StandIn| server.address.rsplit_once(':').unwrap().1.to_owned();
    let thief = StandIn::start(|_| Reply::json(200, "{}")).await;
    for location in [
        format!("http://localhost:{}/x", port(&thief)),
        format!("http://127.0.0.2:{}/x", port(&thief)),
        "ftp://127.0.0.1/x".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("http://me:pw@127.0.0.1:{}/x", port(&thief)),
        "/relative".to_owned(),
        String::new(),
    ] {
        let server = StandIn::start(move |_| env(&json!({"location": location}))).await;
        let error = with_account(&server.address).ui().unwrap().status().await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
        assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
    }
    // A page that leads on elsewhere, and one that wants the password sent again.
    for (status, location) in [(302, format!("http://localhost:{}/x", port(&thief))), (307, "/again".to_owned())] {
        let server = StandIn::start(move |request| match path(request) {
            "/api/ui/auth/authorize" => env(&json!({"location": format!("http://{}/", request.headers["host"])})),
            _ => Reply::json(status, "").with("location", location.clone()),
        })
        .await;
        assert!(with_account(&server.address).ui().unwrap().status().await.is_err());
        assert_eq!(server.take().iter().filter(|request| !request.body.is_empty()).count(), 1, "sent once");
    }
    assert_eq!(thief.lines(), Vec::<String>::new());
    let round = StandIn::start(|request| {
        let reply = Reply::json(302, "").with("location", "/round");
        let location = format!("http://{}/", request.headers["host"]);
        if path(request) == "/api/ui/auth/authorize" { env(&json!({"location": location})) } else { reply }
    })
    .await;
    assert!(with_account(&round.address).ui().unwrap().status().await.is_err());
    assert!(round.take().len() < 20, "not followed for ever");

    // A host that the settings name.
    let page = StandIn::start(|request| browser(request, "").unwrap()).await;
    let origin = format!("http://localhost:{}", port(&page));
    let server = StandIn::start(move |request| match path(request) {
        "/api/ui/auth/token" => env(&json!({"accessToken": "t0ken-1"})),
        _ => browser(request, &origin).unwrap_or_else(|| Reply::json(200, r#"{"events": []}"#)),
    })
    .await;
    let account = Some(account(Some("localhost")));
    let pt = Pt::new(PtSettings { account, ..settings(&server.address) }).unwrap();
    pt.ui().unwrap().status().await.unwrap();
    assert_eq!(page.take().len(), 3);
}

/// A session that the server has ended is begun anew, once for each question (weakness 7: the client in use never does).
#[tokio::test]
async fn a_session_that_has_ended_is_begun_anew() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let (server, pt) = ui(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::json(401, ""),
        _ => Reply::json(200, r#"{"events": []}"#),
    })
    .await;
    pt.ui().unwrap().status().await.unwrap();
    assert_eq!(server.take().iter().filter(|request| path(request) == "/ui/login").count(), 2);
    let (server, pt) =
        one(Reply::json(401, r#"{"errors": [{"type": "x", "message": "Bearer t0ken-1 is not for you"}]}"#)).await;
    let error = pt.ui().unwrap().status().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unauthenticated(_)), "{error}");
    assert!(!error.to_string().contains("t0ken-1"), "a token of a session is a secret too: {error}");
    assert_eq!(asked(&server).len(), 2, "not for ever");
}

/// A token is renewed when it is older than eight minutes, with the old one, and without the password.
#[tokio::test]
async fn a_token_is_renewed() {
    let (server, pt) = flat(json!({"events": []})).await;
    pt.ui().unwrap().status().await.unwrap();
    server.take();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(8 * 60 + 1)).await;
    tokio::time::resume();
    pt.ui().unwrap().status().await.unwrap();
    let received = server.take();
    assert_eq!(
        received.iter().map(Received::line).collect::<Vec<_>>(),
        ["POST /api/ui/auth/token", "GET /api/ui/v2/system/status"]
    );
    assert_eq!(received[0].headers["authorization"], "Bearer t0ken-1");
}

/// The page "System": without an envelope; an answer that cannot be read is never "all is well".
#[tokio::test]
async fn the_status_is_what_is_wrong_now() {
    let (server, pt) = flat(json!({"events": [
        {"group": "SANDBOX", "code": "COMPONENT_ERROR", "objectId": "SANDBOX", "level": "ERROR", "createdTs": 1_767_225_600,
            "updatedTs": 1_767_225_660, "params": {"worker-1": {"error_codes": ["OFFLINE"]}}},
        {"group": "EOS", "code": "END_OF_SUPPORT_SOON", "objectId": "", "level": "WARNING", "createdTs": 1,
            "updatedTs": 1, "params": {"eosTs": 1_798_761_600}},
        {"group": "NEW_GROUP", "code": "NEW_CODE", "level": "INFO", "params": null, "more": 1}]}))
    .await;
    let events = pt.ui().unwrap().status().await.unwrap();
    assert_eq!(asked(&server), ["GET /api/ui/v2/system/status"]);
    assert_eq!((&events[0].group, &events[0].code), (&SystemGroup::Sandbox, &SystemCode::ComponentError));
    assert_eq!(events[0].params["worker-1"]["error_codes"], json!(["OFFLINE"]));
    assert_eq!((events[2].code.as_str(), &events[2].others["more"]), ("NEW_CODE", &json!(1)));
    for nonsense in
        [json!({}), json!([]), json!({"data": {"events": []}}), json!({"events": [5]}), json!({"events": {}})]
    {
        let (_server, pt) = flat(nonsense.clone()).await;
        let error = pt.ui().unwrap().status().await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{nonsense}: {error}");
    }
}

#[tokio::test]
async fn the_installation_is_described() {
    let (server, pt) = ui(|request| match path(request) {
        "/api/ui/system/version" => env(&json!({"version": "5.25.0.1", "eosTs": 1_798_761_600, "eosStatus": "ENDS_SOON"})),
        "/api/ui/v2/system/status/cluster" => Reply::json(
            200,
            r#"{"highAvailability": false, "clusterIp": "10.0.0.1", "vmsCount": 20, "vmsCountAvailable": 12, "nodes": [
                {"name": "n1", "ready": true, "ram": 68719476736, "conditions": [{"type": "DiskPressure", "message": "full"}],
                 "info": {"os": "linux"}, "runningPods": null}]}"#,
        ),
        "/api/ui/v2/system/status/components" => Reply::json(
            200,
            r#"{"components": [{"name": "api", "totalPods": 2, "readyPods": 1, "status": "PARTIALLY_READY", "type": "OTHER",
                "pods": [{"name": "api-1", "restarts": 7, "errorReason": "CrashLoop"}]}]}"#,
        ),
        "/api/ui/license" if request.method == "PUT" => {
            assert!(request.body.is_empty(), "checklist 11");
            env(&json!({"status": "FAILED", "error": "TIMEOUT"}))
        }
        "/api/ui/license" => env(&json!({"state": "VALID", "serialNumber": "x", "updateStatus": {"error": ""},
            "license": {"number": 7, "expirationTime": "2027-01-01T00:00:00+03:00", "filesPerHour": 500, "entryPoints": ["icap"]}})),
        "/api/ui/av-engines" => env(&json!({"enginesInfo": {"clamav": {"isReady": true, "databaseTime": 5,
            "errors": [{"code": "c", "message": "m"}]}, "newav": {}}})),
        "/api/ui/av-engines/clam%2Fav" => env(&json!({"enabled": true, "licenses": []})),
        "/api/ui/av-distribution-packs" => env(&json!({"distributionPacks": [{"pack": "p"}]})),
        other => panic!("{other}"),
    })
    .await;
    let ui = pt.ui().unwrap();
    let version = ui.version().await.unwrap();
    assert_eq!((version.version.as_str(), &version.eos_status), ("5.25.0.1", &SupportStatus::EndsSoon));
    let cluster = ui.cluster().await.unwrap();
    assert_eq!((cluster.vms_count_available, cluster.nodes[0].ram), (12, 64 << 30));
    assert_eq!(cluster.nodes[0].conditions[0]["type"], "DiskPressure");
    let components = ui.components().await.unwrap();
    assert_eq!(components[0].status, ComponentStatus::PartiallyReady);
    assert_eq!((components[0].pods[0].restarts, components[0].kind.as_str()), (7, "OTHER"));
    let licence = ui.licence().await.unwrap();
    assert_eq!((&licence.state, licence.license.files_per_hour), (&LicenseStatus::Valid, 500));
    server.take();
    let update = ui.update_licence().await.unwrap();
    assert_eq!((update.status.as_str(), &update.error), ("FAILED", &LicenseUpdateError::Timeout));
    let engines = ui.av_engines().await.unwrap();
    assert_eq!(engines.keys().collect::<Vec<_>>(), ["clamav", "newav"]);
    assert_eq!(engines["clamav"].errors[0]["message"], "m");
    assert_eq!(ui.av_engine("clam/av").await.unwrap()["enabled"], true);
    assert_eq!(ui.av_distribution_packs().await.unwrap()[0]["pack"], "p");
}

/// Checklist 11: a change holds what is changed, and nothing else; of the mail notifier, which the server wants whole, the rest is taken from what is set.
#[tokio::test]
async fn a_setting_is_changed_without_the_others() {
    let (server, pt) = ui(|request| match request.method.as_str() {
        "GET" => env(&json!({"siemNotifier": {"port": 514}, "emailNotifier": {"enabled": false, "notifyUnwanted": true,
            "locale": "en", "senderAddress": "a@b", "recipients": [], "smtpDefaultRecords": []},
            "storage": {"components": {"quarantine": {"currentLimit": {"bytes": 5, "items": 6}, "threshold": {}}, "odd": 5}},
            "newSection": {"x": 1}})),
        _ => Reply::json(204, ""),
    })
    .await;
    let ui = pt.ui().unwrap();
    let settings = ui.settings().await.unwrap();
    assert_eq!(settings.siem_notifier["port"], 514);
    assert_eq!(settings.others["newSection"], json!({"x": 1}));
    let (name, storage) = &settings.components()[0];
    assert_eq!((name.as_str(), storage.current_limit.bytes, settings.components().len()), ("quarantine", 5, 1));
    server.take();
    let put = |server: &StandIn| {
        let all = server.take();
        let last = all.last().unwrap();
        assert_eq!(last.line(), "PUT /api/ui/system/settings");
        (all.len(), body(last))
    };
    let change = patch([("quarantine.retentionPeriod", 31.into()), ("siemNotifier.port", 1468.into())]).unwrap();
    ui.change_settings(&change).await.unwrap();
    assert_eq!(put(&server), (1, json!({"quarantine": {"retentionPeriod": 31}, "siemNotifier": {"port": 1468}})));
    ui.change_settings(&patch([("storage.components.incubator.currentLimit.bytes", 7.into())]).unwrap()).await.unwrap();
    assert_eq!(put(&server).1["storage"]["components"]["incubator"], json!({"currentLimit": {"bytes": 7}}));
    ui.change_settings(&patch([("emailNotifier.enabled", true.into())]).unwrap()).await.unwrap();
    let whole = json!({"enabled": true, "notifyUnwanted": true, "locale": "en", "senderAddress": "a@b", "recipients": [],
        "smtpDefaultRecords": []});
    assert_eq!(put(&server), (2, json!({"emailNotifier": whole})));
    for refused in [
        json!({}),
        json!([]),
        json!({"telemetry": {"enabled": false}}),
        json!({"quarantine": null}),
        json!({"quarantine": {"retentionPeriod": null}}),
        json!({"quarantine": 5}),
        json!({"storage": {"capacity": {"bytes": 1}}}),
        json!({"storage": {"components": {"system": {"currentLimit": {"bytes": 1}}}}}),
        json!({"storage": {"components": {"quarantine": {"threshold": {}}}}}),
    ] {
        let error = ui.change_settings(&refused).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{refused}: {error}");
    }
    assert_eq!(server.lines(), Vec::<String>::new());
    for wrong in [
        vec![("", json!(1))],
        vec![("a..b", json!(1))],
        vec![("a.", json!(1))],
        vec![("a", json!(null))],
        vec![("a", json!(1)), ("a.b", json!(1))],
        vec![("a.b", json!(1)), ("a.b", json!(2))],
    ] {
        assert!(patch(wrong.clone()).is_err(), "{wrong:?}");
    }
}

/// Logs come as they are made: their parameters are sent (older clients forgot to), and nothing is held whole.
#[tokio::test]
async fn logs_are_streamed() {
    let (server, pt) = ui(|_| {
        let times = 200;
        let ending = crate::stand_in::Ending::Repeat { piece: vec![7; 1 << 16].into(), times, end: "end".into() };
        Reply::typed(200, "application/zip", "PK")
            .with("content-disposition", "attachment; filename=logs.zip")
            .ending(ending)
    })
    .await;
    let ui = pt.ui().unwrap();
    let download = ui.logs(&["core/api".to_owned(), "sandbox/x y".to_owned()], Some(3600)).await.unwrap();
    assert_eq!(download.name.as_deref(), Some("logs.zip"));
    let length = download.bytes.try_fold(0, |length, piece| async move { Ok(length + piece.len()) }).await.unwrap();
    assert_eq!(length, 2 + 200 * (1 << 16) + 3);
    drop(ui.logs(&[], None).await.unwrap());
    drop(ui.source_logs("a/b").await.unwrap());
    assert_eq!(
        asked(&server),
        [
            "GET /api/ui/system/logs?components=core%2Fapi%2Csandbox%2Fx+y&since=3600",
            "GET /api/ui/system/logs?components=",
            "GET /api/ui/entry-points/a%2Fb/logs",
        ]
    );
    assert!(ui.logs(&["a,b".to_owned()], None).await.is_err());
}

fn task(id: &str) -> Value {
    json!({"id": id, "name": "n", "objectType": "FILE", "start": "2026-01-01T00:00:00Z", "startTime": 1.5, "processedTime": null,
        "correlation": {"state": "FULL", "threatLevel": "DANGEROUS", "threatClassification": "TROJAN", "threatPlatform": "LINUX"},
        "entryPoint": {"id": "e", "type": "ICAP", "check_me": {}}})
}

/// Weakness 6: a task that is still running has no times, and breaks no list; the cursor leads on.
#[tokio::test]
async fn tasks_come_page_by_page() {
    let (server, pt) = ui(|request| {
        let next = if request.target.contains("nextCursor=c1") { "" } else { "c1" };
        let answer = match path(request) {
            "/api/ui/v2/tasks/a%2Fb/summary" => json!({"task": task("a/b")}),
            "/api/ui/v2/tasks/filter-values" => json!({"entryPoints": [], "threatClassifications": ["TROJAN"]}),
            _ => json!({"tasks": [task("1"), task("2")], "currentCursor": "c0", "nextCursor": next}),
        };
        Reply::json(200, &answer.to_string())
    })
    .await;
    let ui = pt.ui().unwrap();
    let query = TaskQuery { query: "age < 30d".to_owned(), ..TaskQuery::default() };
    let tasks: Vec<_> = ui.tasks(&query).try_collect().await.unwrap();
    assert_eq!(tasks.len(), 4);
    assert_eq!(tasks[0].correlation.as_ref().unwrap().threat_level, Verdict::Dangerous);
    assert_eq!((tasks[0].source(), tasks[0].processed_time.to_string().as_str()), (SourceType::Icap, "0"));
    let source = TaskQuery { source: Some("e/1".to_owned()), utc_offset_seconds: 10800, ..TaskQuery::default() };
    ui.task_page(&source, 5, 10, None).await.unwrap();
    ui.task("a/b").await.unwrap();
    ui.filter_values(ColumnsOf::Tasks, None, Some(1), None).await.unwrap();
    drop(ui.export(ColumnsOf::Artifacts, &query, &["verdict".to_owned(), "time".to_owned()]).await.unwrap());
    assert_eq!(
        asked(&server),
        [
            "GET /api/ui/v2/tasks?query=age+%3C+30d&limit=100&offset=0&utcOffsetSeconds=0",
            "GET /api/ui/v2/tasks?query=age+%3C+30d&limit=100&offset=0&utcOffsetSeconds=0&nextCursor=c1",
            "GET /api/ui/entry-points/e%2F1/tasks?query=&limit=5&offset=10&utcOffsetSeconds=10800",
            "GET /api/ui/v2/tasks/a%2Fb/summary",
            "GET /api/ui/v2/tasks/filter-values?from=1",
            "GET /api/ui/v2/artifacts/export?format=CSV&query=age+%3C+30d&columns=verdict%2Ctime&utcOffsetSeconds=0",
        ]
    );
    let (_server, pt) = flat(json!({"data": {"tasks": []}})).await;
    let error = pt.ui().unwrap().tasks(&query).try_next().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
}

/// Checklist 15: what is downloaded here is encrypted, and the password is told.
#[tokio::test]
async fn what_was_found_is_a_tree() {
    let (server, pt) = ui(|request| match path(request) {
        "/api/ui/v2/tasks/t/tree" => Reply::json(
            200,
            r#"{"children": [{"nodeId": 3, "parentIds": [0, 1, 2], "nodeType": "SANDBOX", "firstChildCount": 2,
                "info": {"type": "FILE", "name": "a", "size": 1, "sha256": "00", "properties": ["PROTECTED"]},
                "scans": [{"engine": {"name": "clamav"}}], "sandboxInfo": {"mitm": true}, "emailInfo": {"to": []}}]}"#,
        ),
        "/api/ui/v2/tasks/t/artifacts/3/scans" => Reply::json(200, r#"{"scans": []}"#),
        _ => Reply::typed(200, "application/zip", "PK"),
    })
    .await;
    let ui = pt.ui().unwrap();
    let below = TreeQuery { below: vec![0, 2, 10], alphabetical: true, ..TreeQuery::default() };
    let tree = ui.tree("t", &below).await.unwrap();
    assert!(!tree.has_more);
    let node = &tree.children[0];
    assert_eq!((node.parent_ids.as_slice(), node.info.properties[0].as_str()), (&[0, 1, 2][..], "PROTECTED"));
    assert_eq!((&node.sandbox_info["mitm"], &node.others["emailInfo"]), (&json!(true), &json!({"to": []})));
    ui.scans_of("t", 3).await.unwrap();
    let download = ui.download_tree("t", "", true, false).await.unwrap();
    assert_eq!(download.password, Some("infected"));
    let hash = Hash::parse(&"0f".repeat(32)).unwrap();
    let files = ui.download_files(&[(hash.clone(), "a b".to_owned())]).await.unwrap();
    assert_eq!(files.password, Some("infected"));
    let download = pt.artifact(&Submission::new("t"), ArtifactKind::All.into()).await.unwrap();
    assert_eq!(download.password, Some("infected"));
    let all = "GET /api/ui/v2/tasks/t/tree/download?query=&includeSandboxLogs=true&skipDataFiles=false";
    let lines = asked(&server);
    assert_eq!(
        lines[0],
        "GET /api/ui/v2/tasks/t/tree?limit=1000&offset=0&maxTreeLevel=3&sortMode=ALPHABETICAL&parentPath=0%2C2%2C10"
    );
    assert_eq!(lines[2..3], [all]);
    assert!(
        lines[3]
            .starts_with("GET /api/ui/storage/download?items=%5B%7B%22name%22%3A%22a+b%22%2C%22sha256%22%3A%220f0f")
    );
    assert_eq!(lines[4..], [all]);
    let many = vec![(hash, String::new()); 1000];
    assert!(matches!(ui.download_files(&many).await.unwrap_err().kind, ErrorKind::Invalid(_)));
}

#[tokio::test]
async fn the_queue_is_counted() {
    let (server, pt) = ui(|request| {
        let total = if request.target.contains("STARTING%2C+STARTED%29") { 3 } else { 9 };
        let queued =
            json!({"taskId": "t", "state": "STARTED", "orderNumber": null, "tsCreated": 1.5, "errorText": "x"});
        Reply::json(200, &json!({"total": total, "tasks": [queued]}).to_string())
    })
    .await;
    let queue = pt.ui().unwrap().queue(UNFINISHED, 50, 0).await.unwrap();
    assert_eq!((queue.total, &queue.tasks[0].state), (9, &QueueState::Started));
    assert!(pt.capabilities().has(Capability::Queue));
    server.take();
    let queue = pt.queue().await.unwrap();
    assert_eq!((queue.waiting, queue.running), (9, Some(3)));
    assert!(
        asked(&server).iter().all(|line| line.starts_with("GET /api/ui/baqueue/tasks?query=age+%3C+7d+AND+state+IN"))
    );
}

#[tokio::test]
async fn sources_and_keys() {
    let (server, pt) = ui(|request| match request.line().as_str() {
        "GET /api/ui/entry-points" => {
            env(&json!([{"id": "e", "name": "n", "type": "SCAN_API", "enabled": true, "errors": ["down"],
            "token": {"id": 1}}]))
        }
        "GET /api/ui/entry-points/e%2F..%2Fx" => {
            env(&json!({"id": "e", "rules": {"notifyDistention": "sender"}, "settings": null}))
        }
        "GET /api/ui/entry-points-types" => env(&json!([{"type": "ICAP"}])),
        "GET /api/ui/public-api/tokens" => Reply::json(
            200,
            r#"{"total": 1, "entries": [{"id": 7, "name": "abcde",
            "permissions": ["TASKS_VIEW_ALL", "NEW"], "created": 1.0, "entryPoint": {"id": "e", "name": "n"}}]}"#,
        ),
        "POST /api/ui/public-api/tokens" => {
            Reply::json(200, r#"{"id": 8, "name": "abcde", "token": "t0p-s3cret", "key": "hash"}"#)
        }
        _ => Reply::json(200, ""),
    })
    .await;
    let ui = pt.ui().unwrap();
    let sources = ui.sources().await.unwrap();
    assert_eq!((&sources[0].kind, sources[0].errors[0].as_str()), (&SourceType::ScanApi, "down"));
    assert_eq!(ui.source("e/../x").await.unwrap().rules["notifyDistention"], "sender");
    assert_eq!(ui.source_types().await.unwrap()[0]["type"], "ICAP");
    let tokens = ui.tokens().await.unwrap();
    assert_eq!(tokens.entries[0].permissions, [Permission::TasksViewAll, Permission::Unlisted("NEW".to_owned())]);
    server.take();
    let rules = Map::from_iter([("maxUnpackLevel".to_owned(), json!(2))]);
    ui.create_source("n", &SourceType::ScanApi, &rules, &Map::new()).await.unwrap();
    let created = ui.create_token("abcde", &[Permission::TasksViewAll], "why").await.unwrap();
    assert_eq!((created.token.id, created.secret.reveal()), (8, "t0p-s3cret"));
    assert!(!format!("{created:?}").contains("t0p-s3cret"), "{created:?}");
    ui.delete_token(8).await.unwrap();
    ui.delete_source("e").await.unwrap();
    let received = server.take();
    let expected =
        json!({"enabled": true, "name": "n", "type": "SCAN_API", "settings": {}, "rules": {"maxUnpackLevel": 2}});
    assert_eq!(body(&received[0]), expected);
    assert_eq!(body(&received[1]), json!({"name": "abcde", "permissions": ["TASKS_VIEW_ALL"], "comment": "why"}));
    assert_eq!(received[2].line(), "DELETE /api/ui/public-api/tokens/8");
    assert_eq!(received[3].line(), "DELETE /api/ui/entry-points/e");
    for name in ["abcd", "1bcde", "abcd1", "ab de", &"a".repeat(31)] {
        assert!(matches!(ui.create_token(name, &[], "").await.unwrap_err().kind, ErrorKind::Invalid(_)), "{name}");
    }
    let (_server, pt) = flat(json!({"total": 0, "entries": []})).await;
    assert_eq!(pt.ui().unwrap().get(&["anything", "else"], &[("a", "b c")]).await.unwrap()["total"], 0);
    let (_server, pt) = flat(json!({"data": {"entries": []}})).await;
    assert!(pt.ui().unwrap().tokens().await.is_err(), "in an envelope it is not `there are none`");
}
