//! Sandboxes by names: where they are, their keys, their manners, as a configuration file has them.
//!
//! ```toml
//! [sandbox.lab]
//! vendor = "cuckoo"
//! address = "http://cuckoo.example.org:8090"
//! key = { file = "~/.config/belljar/lab.key" }
//! per_minute = 60
//! options = { package = "exe" }
//! ```
//!
//! ```
//! # fn main() -> Result<(), belljar_client::config::ConfigError> {
//! use belljar_client::config::Sandboxes;
//!
//! let sandboxes = Sandboxes::from_toml("[sandbox.lab]\nvendor = 'cuckoo'\naddress = 'http://127.0.0.1:8090'")?;
//! let opening = async { sandboxes.open("lab").await };
//! # drop(opening);
//! # Ok(())
//! # }
//! ```
//!
//! Secrets (`key` and what else a vendor wants, and `proxy`) are texts, or better `{ env = "VARIABLE" }`, `{ file = "PATH" }`, `{ command =
//! ["PROGRAM", "ARGUMENT"] }`. They are fetched when a sandbox is opened, and not before.

mod entry;
mod problem;
mod products;
mod reader;
mod secret;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use entry::Entry;
pub use problem::{ConfigError, Problem};
pub use products::{Given, Key, Kind, PRODUCTS, Product, product};
pub use secret::SecretSource;

use crate::sandbox::Sandbox;
use problem::{list, nearest};

/// Sandboxes in one configuration, at most.
pub const MAX_SANDBOXES: usize = 256;

/// All configured sandboxes, in the order of their names.
#[derive(Debug, Clone, Default)]
pub struct Sandboxes(BTreeMap<String, Entry>);

impl Sandboxes {
    /// Reads the table `sandbox` of a TOML file; other tables of the file are passed over.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`], or [`ConfigError::Problems`] with all that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        // What the parser shows of the text may be a secret; what it says is enough.
        let mut file: Map<String, Value> =
            toml::from_str(text).map_err(|error| ConfigError::Syntax(error.message().to_owned()))?;
        match file.remove("sandbox") {
            None => Ok(Self::default()),
            Some(Value::Object(tables)) => Self::read(tables),
            Some(other) => {
                let problem = Problem::new("sandbox", reader::expected(&other, "tables: [sandbox.NAME]"));
                Err(ConfigError::Problems(vec![problem]))
            }
        }
    }

    /// Reads a table of sandboxes by their names.
    ///
    /// # Errors
    /// [`ConfigError::Problems`] with all that is wrong.
    pub fn read(tables: impl IntoIterator<Item = (String, Value)>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut entries = BTreeMap::new();
        for (name, table) in tables {
            if let Some(entry) = Entry::read(&name, table, &mut problems) {
                entries.insert(name, entry);
            }
        }
        if entries.len() > MAX_SANDBOXES {
            problems.push(Problem::new("sandbox", format!("there are more than {MAX_SANDBOXES}")));
        }
        if problems.is_empty() { Ok(Self(entries)) } else { Err(ConfigError::Problems(problems)) }
    }

    /// All of them.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }

    /// Those that analyse: not the execution servers.
    pub fn analysing(&self) -> impl Iterator<Item = &Entry> {
        self.entries().filter(|entry| entry.product().open.is_some())
    }

    /// The one of this name.
    ///
    /// # Errors
    /// [`ConfigError::Unknown`], with what was probably meant.
    pub fn entry(&self, name: &str) -> Result<&Entry, ConfigError> {
        self.0.get(name).ok_or_else(|| {
            let names = || self.0.keys().map(String::as_str);
            let hint = match nearest(name, names()) {
                Some(near) => Some(format!("did you mean '{near}'?")),
                None if self.0.is_empty() => Some("none is configured".to_owned()),
                None => Some(format!("there are: {}", list(names()))),
            };
            ConfigError::Unknown { name: problem::shown(name), hint }
        })
    }

    /// The one of this name and product, as [`Sandboxes::entry`]; without a name the only one of that product.
    ///
    /// # Errors
    /// As [`Sandboxes::entry`]; [`ConfigError::OtherSort`]; without a name, that there are none or several.
    pub fn of_product(&self, name: Option<&str>, product: &'static str) -> Result<&Entry, ConfigError> {
        if let Some(name) = name {
            let entry = self.entry(name)?;
            if entry.product().name != product {
                let (name, vendor) = (name.to_owned(), entry.product().name);
                return Err(ConfigError::OtherSort {
                    name,
                    vendor,
                    problem: "is another one than what is wanted here",
                });
            }
            return Ok(entry);
        }
        let mut found = self.entries().filter(|entry| entry.product().name == product);
        match (found.next(), found.next()) {
            (Some(entry), None) => Ok(entry),
            (None, _) => Err(ConfigError::Unknown {
                name: product.to_owned(),
                hint: Some(format!("no sandbox with vendor = \"{product}\" is configured")),
            }),
            (Some(_), Some(_)) => {
                let names = self.entries().filter(|entry| entry.product().name == product).map(Entry::name);
                let hint = format!("there are several of this vendor, say which: {}", list(names));
                Err(ConfigError::Unknown { name: product.to_owned(), hint: Some(hint) })
            }
        }
    }

    /// Opens the one of this name: fetches its secrets and makes its client. Nothing is sent.
    ///
    /// # Errors
    /// There is none, it is no analysis sandbox, a secret cannot be had, or the client does not take a setting.
    pub async fn open(&self, name: &str) -> Result<Arc<dyn Sandbox>, ConfigError> {
        self.entry(name)?.open().await
    }
}

impl Entry {
    /// Opens it: fetches its secrets and makes its client. Nothing is sent.
    ///
    /// # Errors
    /// It is no analysis sandbox, a secret cannot be had, or the client does not take a setting.
    pub async fn open(&self) -> Result<Arc<dyn Sandbox>, ConfigError> {
        let Some(open) = self.product().open else {
            let (name, vendor) = (self.name().to_owned(), self.product().name);
            return Err(ConfigError::OtherSort { name, vendor, problem: "runs programs and analyses nothing" });
        };
        Ok(open(self.given().await?)?)
    }
}

#[cfg(test)]
mod tests;
