//! What was found in a task, as a tree, and its files.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tasks::{Correlation, PASSWORD};
use super::wire::model;
use super::words::{NodeType, ObjectType};
use super::{Ui, get};
use crate::error::{Result, Step};
use crate::sample::Hash;
use crate::sandbox::Download;

/// What asking for a tree is called.
const TREE: Step = Step::Other("asking for what was found in a task");
/// Bytes of a list of files in an address, at most: the HTTP library's addresses end at 64 KiB.
const MAX_ITEMS_BYTES: usize = 60_000;

model! {
    /// A file, an address, or a run in a virtual machine.
    #[serde(rename_all = "camelCase")]
    TreeNode {
        /// Its number within the task.
        node_id: i64,
        /// The numbers of what it is inside of, from the root.
        parent_ids: Vec<i64>,
        /// What it is.
        node_type: NodeType,
        /// What it is about.
        info: NodeInfo,
        /// The verdict on it.
        correlation: Option<Correlation>,
        /// What each engine said: `engine` and `result`.
        scans: Vec<Map<String, Value>>,
        /// Files about a run: `name`, `sha256`, `size`, `type`.
        scan_artifacts: Vec<Map<String, Value>>,
        /// About a run: `analysisDuration`, `imageInfo`, `suspiciousBehaviors`, `errors` and more.
        sandbox_info: Map<String, Value>,
        /// How much is directly inside it.
        first_child_count: u64,
        /// Among filters, whether it is itself what was looked for.
        is_match: Option<bool>,
    }

    /// What a node is about. Texts are empty, and numbers 0, where nothing is known.
    #[serde(rename_all = "camelCase")]
    NodeInfo {
        /// What it is.
        #[serde(rename = "type")]
        kind: ObjectType,
        /// Its name.
        name: String,
        /// Its length in bytes.
        size: u64,
        /// Its MD5.
        md5: String,
        /// Its SHA-1.
        sha1: String,
        /// Its SHA-256.
        sha256: String,
        /// Its fuzzy hash.
        ssdeep: String,
        /// Its type.
        mime_type: String,
        /// Its properties, such as `HAS_MACROS`.
        properties: Vec<String>,
    }
}

/// A page of a tree.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Tree {
    /// Its nodes, in a row: [`TreeNode::parent_ids`] says how they hang together.
    pub children: Vec<TreeNode>,
    /// There are more.
    #[serde(default)]
    pub has_more: bool,
}

/// Which part of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeQuery {
    /// Nodes, at most; 1000 by default.
    pub limit: u64,
    /// After so many; 0 by default.
    pub offset: u64,
    /// Levels; 3 by default.
    pub levels: u32,
    /// By name instead of the dangerous first; false by default.
    pub alphabetical: bool,
    /// Below this node: its own number after those that it is inside of. From the root by default.
    pub below: Vec<i64>,
}

impl Default for TreeQuery {
    fn default() -> Self {
        Self { limit: 1000, offset: 0, levels: 3, alphabetical: false, below: Vec::new() }
    }
}

impl Ui<'_> {
    /// What was found in a task.
    ///
    /// # Errors
    /// There is no such task; no login; anything but success.
    pub async fn tree(&self, scan_id: &str, query: &TreeQuery) -> Result<Tree> {
        let mut call = get(TREE, &["v2", "tasks", scan_id, "tree"])
            .query("limit", query.limit.to_string())
            .query("offset", query.offset.to_string())
            .query("maxTreeLevel", query.levels.to_string())
            .query("sortMode", if query.alphabetical { "ALPHABETICAL" } else { "DANGEROUS" });
        if !query.below.is_empty() {
            let path: Vec<String> = query.below.iter().map(ToString::to_string).collect();
            call = call.query("parentPath", path.join(","));
        }
        self.flat(TREE, call).await
    }

    /// What each engine said of a node: `scans`, `yaraTestInfo`, `yaraMainInfo`.
    ///
    /// # Errors
    /// As [`Ui::tree`].
    pub async fn scans_of(&self, scan_id: &str, node_id: i64) -> Result<Map<String, Value>> {
        let node = node_id.to_string();
        self.flat(TREE, get(TREE, &["v2", "tasks", scan_id, "artifacts", &node, "scans"])).await
    }

    /// All files of a task that a query fits, as a ZIP archive with the password `infected`: with the files about runs, without the files that were
    /// found.
    ///
    /// # Errors
    /// As [`Ui::tree`].
    pub async fn download_tree(&self, scan_id: &str, query: &str, logs: bool, skip_data: bool) -> Result<Download> {
        let call = get(Step::Artifact, &["v2", "tasks", scan_id, "tree", "download"])
            .query("query", query)
            .query("includeSandboxLogs", logs.to_string())
            .query("skipDataFiles", skip_data.to_string());
        Ok(Download { password: Some(PASSWORD), ..self.send(Step::Artifact, call).await?.download() })
    }

    /// Files by their SHA-256, with the names that they get, as a ZIP archive with the password `infected`. Those that are not there are left out.
    ///
    /// # Errors
    /// None of them is there; more than fit into an address (about 400); no login; anything but success.
    pub async fn download_files(&self, files: &[(Hash, String)]) -> Result<Download> {
        let items: Vec<Value> =
            files.iter().map(|(hash, name)| json!({"sha256": hash.as_str(), "name": name})).collect();
        let items = Value::Array(items).to_string();
        let encoded = percent_encoding::utf8_percent_encode(&items, percent_encoding::NON_ALPHANUMERIC);
        if encoded.map(str::len).sum::<usize>() > MAX_ITEMS_BYTES {
            return Err(self
                .pt
                .invalid(Step::Artifact, "these are more files than fit into an address: ask for fewer at once"));
        }
        let call = get(Step::Artifact, &["storage", "download"]).query("items", items);
        Ok(Download { password: Some(PASSWORD), ..self.send(Step::Artifact, call).await?.download() })
    }
}
