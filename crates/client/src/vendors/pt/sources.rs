//! Sources (entry points) of tasks, and keys of the Public API.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::wire::model;
use super::words::{Permission, SourceType};
use super::{Ui, get};
use crate::error::{Result, Step};
use crate::http::{Body, Call};
use crate::sandbox::Download;
use crate::secret::Secret;

/// What is done with sources is called.
const SOURCES: Step = Step::Other("asking for sources");
/// What is done with keys is called.
const TOKENS: Step = Step::Other("asking for keys");

model! {
    /// Where tasks come from.
    #[serde(rename_all = "camelCase")]
    Source {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// Which sort it is.
        #[serde(rename = "type")]
        kind: SourceType,
        /// It takes tasks.
        enabled: bool,
        /// What is wrong with it.
        errors: Vec<String>,
        /// Where mail goes after it; empty where none does.
        target: String,
        /// It holds back what is dangerous.
        blocking_enabled: bool,
        /// It could.
        allow_blocking: bool,
        /// Files are run in virtual machines; only in lists.
        sandbox_enabled: Option<bool>,
        /// Its key: `id`, `name`; only in lists.
        token: Map<String, Value>,
        /// How its tasks are scanned; not in lists. What is absent is the default of its sort.
        rules: Map<String, Value>,
        /// How it is reached; not in lists. Passwords are among them.
        settings: Map<String, Value>,
    }

    /// A key of the Public API, without its secret. Times are seconds since 1970.
    #[serde(rename_all = "camelCase")]
    Token {
        /// Its number.
        id: i64,
        /// Its name.
        name: String,
        /// What it is for.
        comment: String,
        /// What it may do.
        permissions: Vec<Permission>,
        /// Who has made it.
        creator_login: String,
        /// When.
        created: f64,
        /// When its comment was changed.
        modified: Option<f64>,
        /// When it was taken back.
        deleted: Option<f64>,
        /// The source that it is bound to: `id`, `name`.
        entry_point: Map<String, Value>,
    }
}

/// All keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tokens {
    /// How many there are.
    pub total: u64,
    /// The keys.
    pub entries: Vec<Token>,
}

/// A key that has just been made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewToken {
    /// What is known of it.
    pub token: Token,
    /// Its secret, which is not told again.
    pub secret: Secret,
}

impl Ui<'_> {
    /// All sources.
    ///
    /// # Errors
    /// No login; anything but success.
    pub async fn sources(&self) -> Result<Vec<Source>> {
        self.enveloped(SOURCES, get(SOURCES, &["entry-points"])).await
    }

    /// Sorts of sources, with what each may be told: `allowBlocking`, `entrypointId`, `type`, `rules`, `settings`.
    ///
    /// # Errors
    /// No login; anything but success.
    pub async fn source_types(&self) -> Result<Vec<Map<String, Value>>> {
        self.enveloped(SOURCES, get(SOURCES, &["entry-points-types"])).await
    }

    /// One source, with its rules and settings.
    ///
    /// # Errors
    /// There is none; no login; anything but success.
    pub async fn source(&self, id: &str) -> Result<Source> {
        self.enveloped(SOURCES, get(SOURCES, &["entry-points", id])).await
    }

    /// Makes a source. The server does not say which id it got: [`Ui::sources`] does, by its name. Sent once.
    ///
    /// # Errors
    /// No login; anything but success.
    pub async fn create_source(
        &self,
        name: &str,
        kind: &SourceType,
        rules: &Map<String, Value>,
        settings: &Map<String, Value>,
    ) -> Result<()> {
        let step = Step::Other("making a source");
        let body = json!({"enabled": true, "name": name, "type": kind, "settings": settings, "rules": rules});
        self.send(step, Call::post(step, ["api", "ui", "entry-points"], Body::Json(body))).await.map(drop)
    }

    /// Removes a source.
    ///
    /// # Errors
    /// There is none; no login; anything but success.
    pub async fn delete_source(&self, id: &str) -> Result<()> {
        self.send(Step::Delete, Call::delete(Step::Delete, ["api", "ui", "entry-points", id])).await.map(drop)
    }

    /// Logs of a source, as a ZIP archive that comes as it is made.
    ///
    /// # Errors
    /// There is none; no login; anything but success.
    pub async fn source_logs(&self, id: &str) -> Result<Download> {
        let step = Step::Other("fetching logs");
        Ok(self.send(step, get(step, &["entry-points", id, "logs"])).await?.download())
    }

    /// All keys of the Public API, without their secrets.
    ///
    /// # Errors
    /// No login; anything but success; an answer without a list, which is never taken for "there are none".
    pub async fn tokens(&self) -> Result<Tokens> {
        self.flat(TOKENS, get(TOKENS, &["public-api", "tokens"])).await
    }

    /// Makes a key. Its name begins and ends with a letter and has 5 to 30 letters, digits and hyphens. Sent once.
    ///
    /// # Errors
    /// A name that is none; no login; anything but success.
    pub async fn create_token(&self, name: &str, permissions: &[Permission], comment: &str) -> Result<NewToken> {
        #[derive(Deserialize)]
        struct Created {
            token: String,
            #[serde(flatten)]
            known: Token,
        }
        let step = Step::Other("making a key");
        if !is_name(name) {
            let problem = "a key's name begins and ends with a letter and has 5 to 30 letters, digits and hyphens";
            return Err(self.pt.invalid(step, problem));
        }
        let body = json!({"name": name, "permissions": permissions, "comment": comment});
        let call = Call::post(step, ["api", "ui", "public-api", "tokens"], Body::Json(body));
        let created: Created = self.flat(step, call).await?;
        Ok(NewToken { token: created.known, secret: Secret::new(&created.token) })
    }

    /// Takes a key back.
    ///
    /// # Errors
    /// There is none; no login; anything but success.
    pub async fn delete_token(&self, id: i64) -> Result<()> {
        let path = ["api", "ui", "public-api", "tokens", &id.to_string()];
        self.send(Step::Delete, Call::delete(Step::Delete, path)).await.map(drop)
    }
}

/// `^[a-zA-Z][a-zA-Z0-9-]{3,28}[a-zA-Z]$`
fn is_name(name: &str) -> bool {
    let inner = |sign: char| sign.is_ascii_alphanumeric() || sign == '-';
    let letter = |sign: char| sign.is_ascii_alphabetic();
    (5..=30).contains(&name.len()) && name.chars().all(inner) && name.starts_with(letter) && name.ends_with(letter)
}
