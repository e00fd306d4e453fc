//! One configured sandbox.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::problem::{ConfigError, Problem, list, nearest, shown};
use super::products::{Given, Kind, PRODUCTS, Product, product};
use super::reader::{Table, expected, flag, number, size, text, text_or_number, texts, time};
use super::secret::{SecretSource, bytes_of, home};
use crate::http::{Settings, passwords_in, without_password};
use crate::sandbox::Options;

/// Bytes of a file with certificates, at most.
const MAX_PEM_BYTES: u64 = 4 << 20;
/// What stands for a secret.
const HIDDEN: &str = "[hidden]";
/// Options of the vendor's own for one sandbox, at most.
const MAX_OPTIONS: usize = 64;

/// A sandbox as the configuration has it. Secrets are not fetched yet.
#[derive(Clone)]
pub struct Entry {
    name: String,
    product: &'static Product,
    address: String,
    proxy: Option<SecretSource>,
    authorities: Vec<PathBuf>,
    verify: bool,
    connect_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
    total_timeout: Option<Duration>,
    tries: Option<u32>,
    concurrency: Option<usize>,
    per_minute: Option<u32>,
    max_answer: Option<u64>,
    user_agent: Option<String>,
    public: bool,
    options: Options,
    secrets: BTreeMap<&'static str, SecretSource>,
    texts: BTreeMap<&'static str, String>,
    flags: BTreeMap<&'static str, bool>,
    numbers: BTreeMap<&'static str, u64>,
    written: Map<String, Value>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Entry")
            .field("name", &self.name)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl Entry {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    #[must_use]
    pub const fn product(&self) -> &'static Product {
        self.product
    }

    /// Where it is, without the password that may be in it.
    #[must_use]
    pub fn address(&self) -> String {
        without_password(&self.address)
    }

    /// How samples are analysed there when nobody says otherwise.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The host, where it is the vendor's or the public's.
    #[must_use]
    pub fn cloud(&self) -> Option<String> {
        // Some clients take a host alone, and the standard for URLs forgives much: each host that may be meant counts.
        let meant =
            [reqwest::Url::parse(&self.address).ok(), reqwest::Url::parse(&format!("http://{}", self.address)).ok()];
        let hosts = meant.iter().flatten().filter_map(|url| url.host_str());
        let mut hosts = hosts.map(|host| host.trim_end_matches('.').to_ascii_lowercase());
        hosts.find(|host| {
            let within =
                |cloud: &&str| host.strip_suffix(*cloud).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            self.product.clouds.iter().any(within)
        })
    }

    /// Whether samples may go there: they may if it is nobody else's, if `public = true` says so, or if somebody has just agreed.
    ///
    /// # Errors
    /// [`ConfigError::Public`].
    pub fn may_be_sent_to(&self, agreed: bool) -> Result<(), ConfigError> {
        match self.cloud() {
            Some(host) if !self.public && !agreed => Err(ConfigError::Public { sandbox: self.name.clone(), host }),
            _ => Ok(()),
        }
    }

    /// What is questionable: secrets that stand in the configuration, servers whose certificate is not checked.
    #[must_use]
    pub fn warnings(&self) -> Vec<Problem> {
        let key = |name: &str| format!("sandbox.{}.{name}", self.name);
        let literal = |source: &SecretSource| matches!(source, SecretSource::Literal(_));
        let mut warnings: Vec<Problem> = Vec::new();
        for (name, _) in self.secrets.iter().filter(|(_, source)| literal(source)) {
            let hint = "better { env = \"VARIABLE\" }, { file = \"PATH\" } or { command = [\"PROGRAM\"] }";
            warnings.push(Problem::new(key(name), "a secret stands in the configuration itself").hint(hint));
        }
        if !passwords_in(&self.address).is_empty() {
            warnings.push(Problem::new(key("address"), "a password stands in the configuration itself"));
        }
        if !self.verify {
            let problem =
                "the server's certificate is not checked: anybody on the way can read the key and the samples";
            warnings.push(Problem::new(key("verify"), problem).hint("name its authority with `authorities` instead"));
        }
        warnings
    }

    /// The settings as they were written, but for secrets among them.
    #[must_use]
    pub const fn written(&self) -> &Map<String, Value> {
        &self.written
    }

    /// How it is reached, with its secrets: for clients that are no analysis sandbox, or offer more than one.
    ///
    /// # Errors
    /// A secret or a certificate cannot be had.
    pub async fn given(&self) -> Result<Given, ConfigError> {
        let cannot =
            |key: &str, problem| ConfigError::Secret { sandbox: self.name.clone(), key: key.to_owned(), problem };
        let mut http = Settings::new(self.name.clone(), self.address.clone());
        let set = |to: &mut Duration, from: Option<Duration>| *to = from.unwrap_or(*to);
        set(&mut http.connect_timeout, self.connect_timeout);
        set(&mut http.read_timeout, self.read_timeout);
        http.total_timeout = self.total_timeout;
        http.tries = self.tries.unwrap_or(http.tries);
        http.concurrency = self.concurrency.unwrap_or(http.concurrency);
        http.per_minute = self.per_minute;
        http.verify = self.verify;
        http.max_answer_bytes = self.max_answer.unwrap_or(http.max_answer_bytes);
        if let Some(agent) = &self.user_agent {
            http.user_agent.clone_from(agent);
        }
        if let Some(proxy) = &self.proxy {
            http.proxy = Some(proxy.fetch().await.map_err(|problem| cannot("proxy", problem))?);
        }
        for path in &self.authorities {
            let path = home(path);
            let read = tokio::task::spawn_blocking(move || bytes_of(&path, MAX_PEM_BYTES)).await;
            let read = read.unwrap_or_else(|_| Err("it cannot be read".to_owned()));
            http.authorities.push(read.map_err(|problem| cannot("authorities", problem))?.0);
        }
        let mut secrets = BTreeMap::new();
        for (name, source) in &self.secrets {
            secrets.insert(*name, source.fetch().await.map_err(|problem| cannot(name, problem))?);
        }
        let (texts, flags, numbers) = (self.texts.clone(), self.flags.clone(), self.numbers.clone());
        Ok(Given { http, secrets, texts, flags, numbers })
    }

    /// Reads one; what is wrong goes to `problems`, and there is no entry then.
    pub(super) fn read(name: &str, value: Value, problems: &mut Vec<Problem>) -> Option<Self> {
        let path = format!("sandbox.{}", shown(name));
        if !is_name(name) {
            let hint =
                "use 1 to 64 letters, digits, '-' and '_', beginning with a letter or digit; 'all' means all of them";
            problems.push(Problem::new(path, "this is no name of a sandbox").hint(hint));
            return None;
        }
        let Value::Object(table) = value else {
            problems.push(Problem::new(path, expected(&value, "a table: [sandbox.NAME]")));
            return None;
        };
        let before = problems.len();
        let mut written = table.clone();
        let mut table = Table::new(path, table, problems);
        let product = match table.take("vendor", vendor) {
            Some(product) => product,
            None => {
                if !table.has("vendor") {
                    let names = list(PRODUCTS.iter().map(|product| product.name));
                    table.wrong("vendor", format!("it is missing; there are: {names}"));
                }
                return None;
            }
        };
        let address = table.take("address", address).or_else(|| {
            if table.has("address") {
                return None;
            }
            if product.address.is_none() {
                table.wrong("address", "it is missing: where the sandbox is, such as \"https://sandbox.example.org\"");
            }
            product.address.map(str::to_owned)
        });
        let in_32 =
            |to| move |value: &Value| number(1, to)(value).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let mut entry = Self {
            name: name.to_owned(),
            product,
            address: address.unwrap_or_default(),
            proxy: table.take("proxy", SecretSource::read),
            authorities: table.take("authorities", texts).unwrap_or_default().into_iter().map(PathBuf::from).collect(),
            verify: table.take("verify", flag).unwrap_or(true),
            connect_timeout: table.take("connect_timeout", time),
            read_timeout: table.take("read_timeout", time),
            total_timeout: table.take("total_timeout", time),
            tries: table.take("tries", in_32(20)),
            concurrency: table.take("concurrency", in_32(256)).map(|number| number as usize),
            per_minute: table.take("per_minute", in_32(100_000)),
            max_answer: table.take("max_answer", size),
            user_agent: table.take("user_agent", text),
            public: table.take("public", flag).unwrap_or(false),
            options: Options::default(),
            secrets: BTreeMap::new(),
            texts: BTreeMap::new(),
            flags: BTreeMap::new(),
            numbers: BTreeMap::new(),
            written: Map::new(),
        };
        if product.open.is_some() {
            entry.options = Options {
                analysis_time: table.take("analysis_time", time),
                environment: table.take("environment", text_or_number),
                archive_password: None,
                vendor: table.take("options", options).unwrap_or_default(),
            };
        }
        entry.read_own(&mut table);
        table.finish(&format!("a sandbox of the vendor {}", product.name));
        for (key, value) in &mut written {
            match value {
                // Whatever else a secret is, it says only where it is.
                Value::String(_) if key == "proxy" || entry.secrets.contains_key(key.as_str()) => {
                    *value = HIDDEN.into()
                }
                Value::String(address) if key == "address" => *address = without_password(address),
                _ => {}
            }
        }
        entry.written = written;
        (problems.len() == before).then_some(entry)
    }

    /// What only this product has.
    fn read_own(&mut self, table: &mut Table<'_>) {
        for key in self.product.keys {
            let name = key.name;
            if name == "environment" {
                // All have one, some with a meaning of their own.
                self.texts.extend(self.options.environment.clone().map(|value| (name, value)));
                continue;
            }
            let there = table.has(name);
            match key.kind {
                Kind::Secret => self.secrets.extend(table.take(name, SecretSource::read).map(|value| (name, value))),
                Kind::Text => self.texts.extend(table.take(name, text).map(|value| (name, value))),
                Kind::Flag => self.flags.extend(table.take(name, flag).map(|value| (name, value))),
                Kind::Number => self.numbers.extend(table.take(name, number(0, u64::MAX)).map(|value| (name, value))),
                Kind::OneOf(choices) => {
                    self.texts.extend(table.take(name, one_of(choices)).map(|value| (name, value)));
                }
            }
            if key.required && !there {
                let about = key.about;
                table.wrong(name, format!("it is missing: {about}"));
            }
        }
    }
}

/// Names go into tables, lists on the command line, and names of files.
fn is_name(name: &str) -> bool {
    let sign = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_');
    (1..=64).contains(&name.len())
        && name.chars().all(sign)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name != "all"
}

fn vendor(value: &Value) -> Result<&'static Product, String> {
    let name = text(value)?;
    product(&name).ok_or_else(|| {
        let names = || PRODUCTS.iter().map(|product| product.name);
        let question = nearest(&name, names()).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        format!("there is no vendor \"{}\"; there are: {}{question}", shown(&name), list(names()))
    })
}

fn address(value: &Value) -> Result<String, String> {
    let address = text(value)?;
    let what = "expected an address such as \"https://sandbox.example.org\"";
    // A host alone means what the product's usual port and scheme are, as its client says.
    let whole = if address.contains("://") { address.clone() } else { format!("http://{address}") };
    let url = reqwest::Url::parse(&whole).map_err(|error| format!("{error}; {what}"))?;
    match url.scheme() {
        _ if address.contains(char::is_whitespace) => Err(format!("it has spaces; {what}")),
        "http" | "https" if url.query().is_some() || url.fragment().is_some() => {
            Err(format!("it has a query or a fragment; {what}"))
        }
        "http" | "https" => Ok(address),
        scheme => Err(format!("it begins with \"{}:\"; {what}", shown(scheme))),
    }
}

fn one_of(choices: &'static [&'static str]) -> impl Fn(&Value) -> Result<String, String> {
    move |value| {
        let found = text(value)?;
        if choices.contains(&found.as_str()) {
            return Ok(found);
        }
        let question = nearest(&found, choices.iter().copied()).map(|near| format!("; did you mean \"{near}\"?"));
        Err(format!(
            "found \"{}\", expected one of {}{}",
            shown(&found),
            list(choices.iter().copied()),
            question.unwrap_or_default()
        ))
    }
}

fn options(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Object(table) = value else { return Err(expected(value, "a table of the vendor's own options")) };
    if table.len() > MAX_OPTIONS {
        return Err(format!("more than {MAX_OPTIONS} options"));
    }
    let read = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return Err(format!("{}: {}", shown(name), expected(value, "text, a number, true or false"))),
        };
        Ok((name.clone(), text))
    };
    table.iter().map(read).collect()
}
