//! Tasks, exports and the queue of virtual machines, as the web interface has them.

use std::collections::BTreeMap;

use futures_util::stream::Stream;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::page::{self, Paged};
use super::wire::model;
use super::words::{Classification, ObjectType, Platform, QueueState, ScanState, SourceType, Verdict};
use super::{Ui, get};
use crate::error::{Result, Step};
use crate::http::Call;
use crate::sandbox::{Download, Queue};

/// What asking for tasks is called.
const LIST: Step = Step::Other("listing tasks");
/// What exporting is called.
const EXPORT: Step = Step::Other("exporting");
/// Password of archives with files that may be malware.
pub(super) const PASSWORD: &str = "infected";
/// The query for what the queue of virtual machines still has to do, of the last week: the web interface's own.
pub const UNFINISHED: &str = "age < 7d AND state IN (CREATED, STARTING, STARTED, DEDUPLICATION, READY, READY_WITH_ERROR) ORDER BY state DESC, priority.value DESC, ts.created";
/// What of that waits for a machine.
const WAITING: &str = "age < 7d AND state IN (CREATED, DEDUPLICATION)";
/// What of that has one.
const RUNNING: &str = "age < 7d AND state IN (STARTING, STARTED)";

model! {
    /// A task. Its times are 0 while they are not known.
    #[serde(rename_all = "camelCase")]
    Task {
        /// The scan's id.
        id: String,
        /// The file's name, a subject, an address.
        name: String,
        /// What was scanned.
        object_type: ObjectType,
        /// When it began: seconds since 1970, or ISO 8601.
        start: Value,
        /// The verdict of all.
        correlation: Option<Correlation>,
        /// The verdict of virtual machines alone.
        sandbox_correlation: Option<Correlation>,
        /// Where it came from: `id`, `type`, `status`, `action`, `quarantine`, `clientIp`, and what that sort of source has.
        entry_point: Map<String, Value>,
        /// When it began, in seconds since 1970.
        start_time: f64,
        /// When all was done.
        processed_time: f64,
        /// When there was a verdict.
        verdict_time: f64,
    }

    /// A verdict, as the web interface has it.
    #[serde(rename_all = "camelCase")]
    Correlation {
        /// How much was done.
        state: ScanState,
        /// The verdict.
        threat_level: Verdict,
        /// The class of the malware.
        threat_classification: Classification,
        /// What it is made for.
        threat_platform: Platform,
        /// Which of several verdicts counts.
        verdict_priority: Option<i64>,
    }

    /// What lists can be narrowed to.
    #[serde(rename_all = "camelCase")]
    FilterValues {
        /// Sources: `name`, `id`, `type`.
        entry_points: Vec<Map<String, Value>>,
        /// Classes of malware.
        threat_classifications: Vec<String>,
        /// Properties of files.
        properties: Vec<String>,
        /// Categories of addresses.
        categories: Vec<String>,
    }

    /// A run that waits for a virtual machine, or has one. Times are seconds since 1970.
    #[serde(rename_all = "camelCase")]
    QueuedTask {
        /// Its id.
        task_id: String,
        /// The scan that it belongs to.
        correlation_id: String,
        /// The run whose result it gets, where that is another.
        result_task_id: Option<String>,
        /// Its place in the queue.
        order_number: Option<i64>,
        /// How far it is.
        state: QueueState,
        /// Its priority.
        priority: i64,
        /// The same in a word.
        priority_name: String,
        /// The sort of source that it came from.
        entry_point_type: SourceType,
        /// What is run.
        object_name: String,
        /// Its SHA-256.
        object_sha256: String,
        /// What was scanned.
        task_object_name: String,
        /// The image.
        image_id: Option<String>,
        /// Seconds that it is to be watched.
        planned_duration: i64,
        /// Seconds that it took.
        real_duration: Option<f64>,
        /// When it was queued.
        ts_created: f64,
        /// When it was started.
        ts_started: Option<f64>,
        /// When it was done.
        ts_finished: Option<f64>,
        /// When it should be done.
        estimated_ts_finished: Option<f64>,
        /// What went wrong, such as `TIMEOUT_START_EXCEEDED`.
        error_text: Option<String>,
    }
}

impl Task {
    /// The sort of source that it came from.
    #[must_use]
    pub fn source(&self) -> SourceType {
        self.entry_point.get("type").and_then(Value::as_str).unwrap_or_default().into()
    }
}

/// Which tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// In PT Sandbox's query language, such as `age < 30d AND task.correlated.state != UNKNOWN ORDER BY start desc`. Empty, as by default: all, the
    /// newest first.
    pub query: String,
    /// Seconds that times in it are east of UTC; 0 by default.
    pub utc_offset_seconds: i32,
    /// Only those of this source; of all by default.
    pub source: Option<String>,
}

/// A page of tasks.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Page {
    /// The tasks.
    pub tasks: Vec<Task>,
    /// By what this page is asked for again.
    #[serde(default)]
    pub current_cursor: String,
    /// By what the next page is asked for; empty at the end.
    #[serde(default)]
    pub next_cursor: String,
}

/// What is exported as CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnsOf {
    /// Tasks: `action behavioralAnalysis fromTo priority processedTime quarantine source status taskName time verdict verdictTime`.
    Tasks,
    /// What was found in them: `fileName fileSha256 verdict taskId time` and many more.
    Artifacts,
}

/// The queue of virtual machines.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct QueueOf {
    /// How many there are, whatever page this is.
    pub total: u64,
    /// Those of this page.
    pub tasks: Vec<QueuedTask>,
}

impl Ui<'_> {
    /// All tasks, page by page as they are read.
    pub fn tasks<'a>(&'a self, query: &TaskQuery) -> impl Stream<Item = Result<Task>> + Send + use<'a> {
        let query = query.clone();
        page::all(move |cursor: Option<String>| {
            let query = query.clone();
            async move {
                let page = self.task_page(&query, page::AT_ONCE, 0, cursor.as_deref()).await?;
                Ok(Paged { items: page.tasks, next: page.next_cursor, of: self.pt, step: LIST })
            }
        })
    }

    /// A page of tasks: so many, after so many, from a cursor on.
    ///
    /// # Errors
    /// The query is wrong (400); no login; anything but success.
    pub async fn task_page(&self, query: &TaskQuery, limit: u64, offset: u64, cursor: Option<&str>) -> Result<Page> {
        let call = match &query.source {
            Some(source) => get(LIST, &["entry-points", source, "tasks"]),
            None => get(LIST, &["v2", "tasks"]),
        };
        let mut call = paged(call, query, limit, offset);
        if let Some(cursor) = cursor {
            call = call.query("nextCursor", cursor);
        }
        self.flat(LIST, call).await
    }

    /// One task, with what became of a mail and of its quarantine.
    ///
    /// # Errors
    /// There is none; no login; anything but success.
    pub async fn task(&self, scan_id: &str) -> Result<Task> {
        #[derive(Deserialize)]
        struct Summary {
            task: Task,
        }
        Ok(self.flat::<Summary>(LIST, get(LIST, &["v2", "tasks", scan_id, "summary"])).await?.task)
    }

    /// A table as CSV, with these columns, or all when there are none.
    ///
    /// # Errors
    /// As [`Ui::task_page`].
    pub async fn export(&self, of: ColumnsOf, query: &TaskQuery, columns: &[String]) -> Result<Download> {
        let what = match of {
            ColumnsOf::Tasks => "tasks",
            ColumnsOf::Artifacts => "artifacts",
        };
        let call = get(EXPORT, &["v2", what, "export"])
            .query("format", "CSV")
            .query("query", &*query.query)
            .query("columns", columns.join(","))
            .query("utcOffsetSeconds", query.utc_offset_seconds.to_string());
        Ok(self.send(EXPORT, call).await?.download())
    }

    /// What lists of tasks, or of artifacts, can be narrowed to: of one scan, or of a time from and to (seconds since 1970).
    ///
    /// # Errors
    /// No login; anything but success.
    pub async fn filter_values(
        &self,
        of: ColumnsOf,
        scan_id: Option<&str>,
        from: Option<i64>,
        to: Option<i64>,
    ) -> Result<FilterValues> {
        let what = match of {
            ColumnsOf::Tasks => "tasks",
            ColumnsOf::Artifacts => "artifacts",
        };
        let fields = BTreeMap::from([
            ("scanId", scan_id.map(str::to_owned)),
            ("from", from.map(|time| time.to_string())),
            ("to", to.map(|time| time.to_string())),
        ]);
        let given = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let call = given.fold(get(LIST, &["v2", what, "filter-values"]), |call, (name, value)| call.query(name, value));
        self.flat(LIST, call).await
    }

    /// The queue of virtual machines: those of a query, [`UNFINISHED`] as a rule; so many, after so many.
    ///
    /// # Errors
    /// As [`Ui::task_page`].
    pub async fn queue(&self, query: &str, limit: u64, offset: u64) -> Result<QueueOf> {
        self.queue_at(query, limit, offset).await
    }

    pub(super) async fn queue_length(&self) -> Result<Queue> {
        let waiting = self.queue_at(WAITING, 1, 0).await?.total;
        let running = self.queue_at(RUNNING, 1, 0).await?.total;
        Ok(Queue { waiting, running: Some(running) })
    }

    async fn queue_at(&self, query: &str, limit: u64, offset: u64) -> Result<QueueOf> {
        let query = TaskQuery { query: query.to_owned(), ..TaskQuery::default() };
        self.flat(Step::Queue, paged(get(Step::Queue, &["baqueue", "tasks"]), &query, limit, offset)).await
    }
}

fn paged(call: Call, query: &TaskQuery, limit: u64, offset: u64) -> Call {
    call.query("query", &*query.query)
        .query("limit", limit.to_string())
        .query("offset", offset.to_string())
        .query("utcOffsetSeconds", query.utc_offset_seconds.to_string())
}
