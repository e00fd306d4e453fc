//! What only Falcon has: searches, overviews, quick scans, its own state, the feed.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::{Falcon, at, other_method};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Body, Call};
use crate::report::Report;
use crate::sample::{Hash, HashKind, Sample};
use crate::sandbox::{Options, Submission};
use crate::vendors::loose;

const SEARCH: Step = Step::Other("searching");
const OVERVIEW: Step = Step::Other("fetching the overview");
const QUICK_SCAN: Step = Step::Other("scanning quickly");
const SYSTEM: Step = Step::Other("asking for its state");
const KEY: Step = Step::Other("asking for the key's rights");
const FEED: Step = Step::Other("fetching the feed");

/// A picture of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screenshot {
    /// The file's name, without directories.
    pub name: String,
    /// When it was taken, in the vendor's words.
    pub date: Option<String>,
    /// The picture.
    pub bytes: Bytes,
}

/// A scan by engines and reputation services, without an analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct QuickScan {
    /// The name by which it is asked for.
    pub id: String,
    /// The sample's SHA-256.
    pub sha256: Option<String>,
    /// All scanners are done.
    pub finished: bool,
    /// The whole answer, with what each scanner says.
    pub raw: Value,
}

/// Where samples are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FalconEnvironment {
    /// As [`Options::environment`] wants it.
    pub id: String,
    /// What it is, for people.
    pub description: String,
    /// As the server gives it otherwise: architecture, counts of machines that are busy.
    pub raw: Value,
}

/// What a key may do. The key itself, which the server repeats, is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FalconKey {
    /// 1 restricted, 100 default, 500 elevated, 1000 super.
    pub level: u64,
    /// The vendor's word for it.
    pub name: Option<String>,
}

/// What can be asked about the system itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FalconSystem {
    /// Versions of its parts; any key.
    Version,
    /// Counts of analyses; the default level, as all that follow.
    Stats,
    /// Its state as a whole.
    State,
    /// Its machines.
    Backend,
    /// How many wait.
    QueueSize,
    /// What is being analysed.
    InProgress,
    /// When it was last alive.
    Heartbeat,
}

/// All of it is asked of the server each time. What a key's level does not allow is [`ErrorKind::Forbidden`], what is not there
/// [`ErrorKind::NotFound`], an answer of another form [`ErrorKind::Malformed`].
impl Falcon {
    /// All that is known of a hash, as the server gives it. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn search_hash(&self, hash: &Hash) -> Result<Value> {
        let path = ["search", "hash"];
        match self.ask(Step::LookUp, &path, vec![("hash".to_owned(), hash.to_string())]).await {
            // The newest servers want a GET for it.
            Err(error) if other_method(&error) => {
                self.send(Call::get(Step::LookUp, at(&path)).query("hash", hash.as_str())).await?.json().await
            }
            found => found,
        }
    }

    /// All that is known of several hashes. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn search_hashes(&self, hashes: &[Hash]) -> Result<Value> {
        self.ask(SEARCH, &["search", "hashes"], several("hashes[]", hashes.iter().map(Hash::to_string))).await
    }

    /// Analyses that have all of these: `filename`, `filetype`, `env_id`, `country`, `verdict` (1 to 5), `av_detect` (`50-70`), `vx_family`, `tag`,
    /// `date_from`, `date_to`, `port`, `host`, `domain`, `url`, `similar_to`, `context`, `imphash`, `ssdeep`, `authentihash`, `uses_tactic`,
    /// `uses_technique`. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn search_terms(&self, terms: &BTreeMap<String, String>) -> Result<Value> {
        self.ask(SEARCH, &["search", "terms"], terms.clone().into_iter().collect()).await
    }

    /// How far several analyses are, in one question. An elevated key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn search_states(&self, ids: &[String]) -> Result<Value> {
        self.ask(Step::Status, &["search", "states"], several("ids[]", ids.iter().cloned())).await
    }

    /// Summaries of several analyses, each named by its job or by `SHA256:ENVIRONMENT`. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn summaries(&self, ids: &[String]) -> Result<Value> {
        self.ask(Step::Report, &["report", "summary"], several("hashes[]", ids.iter().cloned())).await
    }

    /// The report with more in it than [`crate::Sandbox::report`] has: processes, files, machine learning. An elevated key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn enhanced_report(&self, submission: &Submission) -> Result<Report> {
        self.summary(&submission.id, "enhanced-summary").await
    }

    /// What all analyses and scanners together say of a sample. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn overview(&self, sha256: &Hash) -> Result<Value> {
        self.get(OVERVIEW, &["overview", sha256.as_str()]).await
    }

    /// The same in short. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn overview_summary(&self, sha256: &Hash) -> Result<Value> {
        self.get(OVERVIEW, &["overview", sha256.as_str(), "summary"]).await
    }

    /// Has the scanners asked anew. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn refresh_overview(&self, sha256: &Hash) -> Result<()> {
        let call = Call::get(OVERVIEW, at(&["overview", sha256.as_str(), "refresh"])).once();
        self.send(call).await.map(drop)
    }

    /// The types of quick scans that there are, and whether they are available. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn quick_scanners(&self) -> Result<Value> {
        self.get(QUICK_SCAN, &["quick-scan", "state"]).await
    }

    /// Scans a file or an address, by one of [`Falcon::quick_scanners`]: `all` is one. Any key. Private as a submission is.
    ///
    /// # Errors
    /// As all of these, and [`ErrorKind::Invalid`] for options that only an analysis has.
    pub async fn quick_scan(&self, sample: &Sample, scan_type: &str, options: &Options) -> Result<QuickScan> {
        if options.environment.is_some() || options.analysis_time.is_some() {
            let problem = "a quick scan has neither an environment nor a time".to_owned();
            return Err(self.transport.error(QUICK_SCAN, ErrorKind::Invalid(problem)));
        }
        let mut fields = self.fields(options)?;
        if !options.vendor.contains_key("environment_id") {
            fields.remove("environment_id");
        }
        fields.insert("scan_type".to_owned(), scan_type.to_owned());
        self.scanned(self.send_sample("quick-scan", sample, fields).await?)
    }

    /// What a quick scan has found so far.
    ///
    /// # Errors
    /// As all of these.
    pub async fn quick_scan_result(&self, id: &str) -> Result<QuickScan> {
        self.scanned(self.get(QUICK_SCAN, &["quick-scan", id]).await?)
    }

    fn scanned(&self, raw: Value) -> Result<QuickScan> {
        let id = loose::id(&raw["id"]).ok_or_else(|| self.malformed(QUICK_SCAN, "no `id` of the scan"))?;
        let (sha256, finished) = (loose::id(&raw["sha256"]), raw["finished"].as_bool() == Some(true));
        Ok(QuickScan { id, sha256, finished, raw })
    }

    /// Analyses what has been scanned, without sending it again. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn analyse_scanned(&self, scan: &QuickScan, options: &Options) -> Result<Submission> {
        self.submit_known(&["quick-scan", &scan.id, "convert-to-full"], vec![], options).await
    }

    /// Has the server fetch the file at an address and analyse it. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn submit_file_at(&self, address: &str, options: &Options) -> Result<Submission> {
        self.submit_known(&["submit", "url-to-file"], vec![("url", address)], options).await
    }

    /// Analyses a file that another analysis dropped. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn submit_dropped(&self, of: &Submission, file: &Hash, options: &Options) -> Result<Submission> {
        let fields = vec![("id", of.id.as_str()), ("file_hash", file.as_str())];
        self.submit_known(&["submit", "dropped-file"], fields, options).await
    }

    /// Analyses the same sample once more. An elevated key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn reanalyze(&self, submission: &Submission, options: &Options) -> Result<Submission> {
        self.submit_known(&["submit", "reanalyze"], vec![("id", &submission.id)], options).await
    }

    async fn submit_known(&self, path: &[&str], own: Vec<(&str, &str)>, options: &Options) -> Result<Submission> {
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields: Vec<_> = self.fields(options)?.into_iter().chain(own).collect();
        let answer = self.send(Call::post(Step::Submit, at(path), Body::Form(fields))).await?;
        self.submission(&answer.json().await?)
    }

    /// The SHA-256 under which an analysis of this address is found. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn hash_for_url(&self, address: &str) -> Result<Hash> {
        let fields = vec![("url".to_owned(), address.to_owned())];
        let answer = self.ask(Step::LookUp, &["submit", "hash-for-url"], fields).await?;
        let hash = answer["sha256"].as_str().and_then(Hash::parse).filter(|hash| hash.kind() == HashKind::Sha256);
        hash.ok_or_else(|| self.malformed(Step::LookUp, "no `sha256`"))
    }

    /// Where samples are run. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn environments(&self) -> Result<Vec<FalconEnvironment>> {
        let Value::Array(all) = self.get(SYSTEM, &["system", "environments"]).await? else {
            return Err(self.malformed(SYSTEM, "no list of environments"));
        };
        let environment = |raw: Value| {
            let id = loose::id(&raw["environment_id"]).or_else(|| loose::id(&raw["id"]))?;
            let description = raw["description"].as_str().unwrap_or_default().to_owned();
            Some(FalconEnvironment { id, description, raw })
        };
        Ok(all.into_iter().filter_map(environment).collect())
    }

    /// Something about the system itself, as the server gives it.
    ///
    /// # Errors
    /// As all of these.
    pub async fn system(&self, what: FalconSystem) -> Result<Value> {
        let name = match what {
            FalconSystem::Version => "version",
            FalconSystem::Stats => "stats",
            FalconSystem::State => "state",
            FalconSystem::Backend => "backend",
            FalconSystem::QueueSize => "queue-size",
            FalconSystem::InProgress => "in-progress",
            FalconSystem::Heartbeat => "heartbeat",
        };
        self.get(SYSTEM, &["system", name]).await
    }

    /// What the key may do. Any key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn key(&self) -> Result<FalconKey> {
        let answer = self.get(KEY, &["key", "current"]).await?;
        let level = answer["auth_level"].as_u64().ok_or_else(|| self.malformed(KEY, "no `auth_level`"))?;
        Ok(FalconKey { level, name: answer["auth_level_name"].as_str().map(str::to_owned) })
    }

    /// The newest analyses of others: any key. With `days`, all of so many days: an elevated key.
    ///
    /// # Errors
    /// As all of these.
    pub async fn feed(&self, days: Option<u16>) -> Result<Value> {
        match days {
            None => self.get(FEED, &["feed", "latest"]).await,
            Some(days) => self.get(FEED, &["feed", &days.to_string(), "days"]).await,
        }
    }
}

/// A field as often as there are values.
fn several(name: &str, values: impl Iterator<Item = String>) -> Vec<(String, String)> {
    values.map(|value| (name.to_owned(), value)).collect()
}
