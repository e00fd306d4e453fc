use std::time::Duration;

use super::*;

fn problems(text: &str) -> Vec<String> {
    match Sandboxes::from_toml(text) {
        Err(ConfigError::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
        Ok(_) => Vec::new(),
    }
}

#[tokio::test]
async fn what_is_written_is_what_is_given() {
    let text = r#"
        data_dir = "/x"
        [sandbox.lab]
        vendor = "cuckoo"
        address = "https://cuckoo.example.org:8090/api/"
        key = "k"
        proxy = "http://u:secret@proxy.example.org:3128"
        verify = false
        connect_timeout = "2s"
        read_timeout = 90
        total_timeout = "1h"
        tries = 1
        concurrency = 2
        per_minute = 4
        max_answer = "1G"
        user_agent = "team"
        analysis_time = "5min"
        environment = "win10"
        options = { package = "exe", priority = 3, memory = true }
        [sandbox.run]
        vendor = "premierlangage"
        address = "http://127.0.0.1:7000"
    "#;
    let sandboxes = Sandboxes::from_toml(text).expect("right");
    let entry = sandboxes.entry("lab").expect("there");
    let given = entry.given().await.expect("nothing to fetch");
    assert_eq!(given.http.name, "lab");
    assert_eq!(given.http.address, "https://cuckoo.example.org:8090/api/");
    assert_eq!(given.secret("key").expect("given").reveal(), "k");
    assert_eq!(given.http.proxy.as_ref().expect("given").reveal(), "http://u:secret@proxy.example.org:3128");
    assert!(!given.http.verify);
    let times = (given.http.connect_timeout, given.http.read_timeout, given.http.total_timeout);
    let seconds = Duration::from_secs;
    assert_eq!(times, (seconds(2), seconds(90), Some(seconds(3600))));
    assert_eq!((given.http.tries, given.http.concurrency, given.http.per_minute), (1, 2, Some(4)));
    assert_eq!((given.http.max_answer_bytes, given.http.user_agent.as_str()), (1 << 30, "team"));
    let options = entry.options();
    assert_eq!((options.analysis_time, options.environment.as_deref()), (Some(seconds(300)), Some("win10")));
    let own: Vec<(&str, &str)> = options.vendor.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(own, [("memory", "true"), ("package", "exe"), ("priority", "3")]);
    let warned: Vec<String> = entry.warnings().into_iter().map(|warning| warning.key).collect();
    assert_eq!(warned, ["sandbox.lab.key", "sandbox.lab.verify"]);
    let said = format!("{sandboxes:?} {:?} {given:?}", entry.written());
    assert_eq!((&entry.written()["key"], &entry.written()["tries"]), (&"[hidden]".into(), &1.into()));
    assert!(!said.contains("secret@") && !said.contains("\"k\""), "{said}");

    assert_eq!(sandboxes.open("lab").await.expect("made").name(), "lab");
    assert!(matches!(sandboxes.open("run").await, Err(ConfigError::OtherSort { .. })));
    assert_eq!(sandboxes.analysing().map(Entry::name).collect::<Vec<_>>(), ["lab"]);
    assert_eq!(sandboxes.of_product(None, "premierlangage").expect("the only one").name(), "run");
    assert!(sandboxes.of_product(Some("lab"), "premierlangage").is_err());
    assert!(sandboxes.of_product(None, "pt").is_err());
    let error = sandboxes.entry("lba").expect_err("not there").to_string();
    assert_eq!(error, "there is no sandbox 'lba': did you mean 'lab'?");
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_what_would_be_right() {
    let text = r#"
        [sandbox.one]
        vendor = "cuckoo"
        adress = "http://x"
        verify = "no"
        tries = 0
        read_timeout = "soon"
        [sandbox.two]
        vendor = "cuckou"
        [sandbox.three]
        address = "http://x"
        [sandbox.four]
        vendor = "cuckoo"
        address = "ftp://x"
        key = { flie = "x" }
        options = { a = [1] }
        [sandbox."a,b"]
        vendor = "cuckoo"
        [sandbox.all]
    "#;
    let found = problems(text);
    for expected in [
        "sandbox.one.address: it is missing",
        "sandbox.one.adress: there is no such setting (did you mean 'address'?)",
        "sandbox.one.verify: found the text \"no\", expected true or false",
        "sandbox.one.tries: found the number 0, expected a whole number from 1 to 20",
        "sandbox.one.read_timeout: found the text \"soon\", expected a time such as \"10s\"",
        "sandbox.two.vendor: there is no vendor \"cuckou\"; there are: cuckoo, ",
        "did you mean \"cuckoo\"?",
        "sandbox.three.vendor: it is missing; there are: cuckoo, ",
        "sandbox.four.address: it begins with \"ftp:\"; expected an address such as",
        "sandbox.four.key: there is no 'flie' of a secret (did you mean file?)",
        "sandbox.four.options: a: found a list, expected text, a number, true or false",
        "sandbox.a,b: this is no name of a sandbox",
        "sandbox.all: this is no name of a sandbox",
    ] {
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}\nin\n{}", found.join("\n"));
    }
    assert_eq!(found.len(), 12, "{}", found.join("\n"));
}

#[test]
fn an_error_does_not_show_a_secret() {
    for text in [
        "[sandbox.one]\nvendor = 'cuckoo'\naddress = 'http://x'\nkey = 987654321",
        "[sandbox.one]\nvendor = 'cuckoo'\naddress = 'http://x'\nkey = { value = '987654321' }",
        "[sandbox.one]\nvendor = 'cuckoo'\nkey = '987654321' x",
        "[sandbox.one]\nvendor = 'cuckoo'\naddress = 'http://user:987654321@'",
        "[sandbox.one]\nvendor = 'cuckoo'\naddress = 'http://x'\nkey = ['987654321']",
    ] {
        let found = problems(text).join("\n");
        assert!(!found.is_empty() && !found.contains("987654321"), "{found}");
    }
}

#[test]
fn samples_go_to_no_cloud_unless_somebody_says_so() {
    for (address, public, agreed, allowed) in [
        ("http://10.0.0.1:8090", false, false, true),
        ("https://cuckoo.cert.ee", false, false, false),
        ("https://CUCKOO.cert.ee./api", false, false, false),
        ("https://x.cuckoo.cert.ee:8443", false, false, false),
        ("cuckoo.cert.ee", false, false, false),
        ("cuckoo.cert.ee:8090/api", false, false, false),
        ("u:p@cuckoo.cert.ee", false, false, false),
        ("http:/cuckoo.cert.ee", false, false, false),
        ("http:\\\\cuckoo.cert.ee", false, false, false),
        ("cuckoo.example.org", false, false, true),
        ("https://notcuckoo.cert.ee", false, false, true),
        ("https://cuckoo.cert.ee", true, false, true),
        ("https://cuckoo.cert.ee", false, true, true),
    ] {
        let text = format!("[sandbox.one]\nvendor = 'cuckoo'\naddress = '{address}'\npublic = {public}");
        let sandboxes = Sandboxes::from_toml(&text).expect("right");
        let may = sandboxes.entry("one").expect("there").may_be_sent_to(agreed);
        assert_eq!(may.is_ok(), allowed, "{address} {public} {agreed}: {may:?}");
    }
}

async fn key(source: &str) -> Result<String, String> {
    let text = format!("[sandbox.one]\nvendor = 'cuckoo'\naddress = 'http://x'\nkey = {source}");
    let sandboxes = Sandboxes::from_toml(&text).map_err(|error| error.to_string())?;
    let given = sandboxes.entry("one").map_err(|error| error.to_string())?.given().await;
    given.map(|given| given.secret("key").expect("it is there").reveal().to_owned()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn secrets_come_from_files_and_commands() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = tempfile::tempdir().expect("a directory");
    let file = |name: &str, contents: &[u8], mode: u32| {
        let path = place.path().join(name);
        std::fs::write(&path, contents).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        path.display().to_string()
    };
    let good = file("good", b"from a file\n", 0o640);
    assert_eq!(key(&format!("{{ file = '{good}' }}")).await, Ok("from a file".to_owned()));
    let open = file("open", b"x", 0o644);
    let refused = key(&format!("{{ file = '{open}' }}")).await.expect_err("others can read it");
    assert!(refused.contains("can be read by everybody") && refused.contains("chmod 600"), "{refused}");
    assert_eq!(key(&format!("{{ file = '{open}', shared = true }}")).await, Ok("x".to_owned()));
    assert_eq!(key("{ command = ['printf', 'a b\\n'] }").await, Ok("a b".to_owned()));

    let binary = file("binary", b"\xff\xfe", 0o600);
    let lines = file("lines", b"one\ntwo\n", 0o600);
    let empty = file("empty", b"\n", 0o600);
    let large = file("large", &[b'x'; 70_000], 0o600);
    let there = place.path().display().to_string();
    for (source, problem) in [
        (format!("{{ file = '{binary}' }}"), "not UTF-8"),
        (format!("{{ file = '{lines}' }}"), "several lines"),
        (format!("{{ file = '{empty}' }}"), "empty"),
        (format!("{{ file = '{large}' }}"), "larger than"),
        (format!("{{ file = '{there}' }}"), "no regular file"),
        ("{ file = '/nowhere/key' }".to_owned(), "cannot read /nowhere/key"),
        ("{ env = 'BELLJAR_TEST_NOT_SET_ANYWHERE' }".to_owned(), "BELLJAR_TEST_NOT_SET_ANYWHERE is not set"),
        ("{ command = ['false'] }".to_owned(), "false failed"),
        ("{ command = ['/nowhere/program'] }".to_owned(), "cannot start /nowhere/program"),
        ("{ command = ['yes'] }".to_owned(), "writes more than"),
        ("{ command = 'pass show x' }".to_owned(), "expected a list, the program first"),
        ("{ command = [] }".to_owned(), "expected a list, the program first"),
        ("{ env = 'A', file = 'b' }".to_owned(), "expected text, { env"),
        ("{ env = 'A', shared = true }".to_owned(), "beside `file`"),
        ("''".to_owned(), "empty"),
    ] {
        let error = key(&source).await.expect_err(&source);
        assert!(error.contains(problem), "{source}: {error}");
    }
    let home = std::env::var("PATH").expect("there is one");
    assert_eq!(key("{ env = 'PATH' }").await, Ok(home));
}

#[test]
fn each_vendor_has_a_product_of_its_name() {
    for vendor in crate::Vendor::ALL {
        assert!(product(vendor.name()).is_some_and(|product| product.open.is_some()), "{vendor} can be configured");
    }
    for product in PRODUCTS {
        assert_eq!(PRODUCTS.iter().filter(|other| other.name == product.name).count(), 1, "{}", product.name);
        for key in product.keys {
            assert!(key.about.ends_with('.'), "{}.{} is described", product.name, key.name);
        }
        if let Some(address) = product.address {
            let text = format!("[sandbox.one]\nvendor = '{}'\naddress = '{address}'\n", product.name);
            let entry = Entry::read("one", toml_value(&text), &mut Vec::new());
            // Some want more than an address; those that do not must know their cloud.
            assert!(entry.is_none_or(|entry| entry.cloud().is_some()), "{}: its address is no cloud", product.name);
        }
    }
}

fn toml_value(text: &str) -> Value {
    let mut file: Map<String, Value> = toml::from_str(text).expect("TOML");
    file["sandbox"]["one"].take()
}
