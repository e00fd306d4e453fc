//! The page "System": what is wrong now, the version, logs, the machines, the parts.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::wire::model;
use super::words::{ComponentStatus, ComponentType, Level, SupportStatus, SystemCode, SystemGroup};
use super::{Ui, get};
use crate::error::{Result, Step};
use crate::sandbox::Download;

/// What asking for events is called.
const STATUS: Step = Step::Other("asking for the status of the installation");
/// What asking for logs is called.
const LOGS: Step = Step::Other("fetching logs");

model! {
    /// Something that is wrong now, or worth knowing. There is one for each subsystem, code and object as long as it lasts.
    #[serde(rename_all = "camelCase")]
    Event {
        /// The subsystem.
        group: SystemGroup,
        /// What has happened.
        code: SystemCode,
        /// What it is about: a node, an image, a version; empty when it is about the whole.
        object_id: String,
        /// How bad it is.
        level: Level,
        /// Since when, in seconds since 1970.
        created_ts: i64,
        /// When it was last so.
        updated_ts: i64,
        /// More, by the code.
        params: BTreeMap<String, Value>,
    }

    /// The version of the product, as its page has it.
    #[serde(rename_all = "camelCase")]
    SystemVersion {
        /// As 5.25.0.12345.
        version: String,
        /// When its support ends, in seconds since 1970.
        eos_ts: i64,
        /// Whether it is supported.
        eos_status: SupportStatus,
    }

    /// The machines that it runs on.
    #[serde(rename_all = "camelCase")]
    Cluster {
        /// Whether one may fail.
        high_availability: bool,
        /// Its address.
        cluster_ip: String,
        /// Machines that run virtual machines.
        sb_nodes: u64,
        /// Those of them that are ready.
        sb_nodes_available: u64,
        /// Places for virtual machines.
        vms_count: u64,
        /// Those of them that are free.
        vms_count_available: u64,
        /// The machines.
        nodes: Vec<Node>,
    }

    /// A machine.
    #[serde(rename_all = "camelCase")]
    Node {
        /// Its name.
        name: String,
        /// Its host name.
        host_name: String,
        /// Whether it is ready.
        ready: bool,
        /// Processors.
        cpu: u64,
        /// Bytes of memory.
        ram: u64,
        /// Places for virtual machines.
        vm_capacity: u64,
        /// Those that are in use.
        vm_allocatable: u64,
        /// What is wrong with it: `type` and `message`.
        conditions: Vec<Map<String, Value>>,
        /// Processes (pods) of the product on it.
        total_pods: u64,
        /// Those that are ready.
        ready_pods: u64,
        /// Those that run.
        running_pods: Option<u64>,
        /// What it is there for.
        roles: Vec<String>,
        /// Versions: `kubernetes`, `containerRuntime`, `os`, `osImage`, `osKernel`, `xenVersion`; `vmCpu`, `vmRam`.
        info: Map<String, Value>,
        /// `internal` and `cluster`: `type` and `ip`.
        ips: Map<String, Value>,
    }

    /// A part of the product.
    #[serde(rename_all = "camelCase")]
    Component {
        /// Its name.
        name: String,
        /// Its processes (pods).
        total_pods: u64,
        /// Those that are ready.
        ready_pods: u64,
        /// The machines that they are on.
        nodes: Vec<String>,
        /// Whether it works.
        status: ComponentStatus,
        /// What it is for.
        #[serde(rename = "type")]
        kind: ComponentType,
        /// The processes.
        pods: Vec<Pod>,
    }

    /// A process of the product (a pod).
    #[serde(rename_all = "camelCase")]
    Pod {
        /// Its name.
        name: String,
        /// The part that it belongs to.
        component_name: String,
        /// Whether it is ready.
        ready: bool,
        /// The machine that it is on.
        node: String,
        /// How often it was started again.
        restarts: u64,
        /// What is wrong, in a word; empty when nothing is.
        error_reason: String,
        /// The same in a sentence.
        error_message: String,
        /// Seconds since it started.
        uptime: u64,
        /// Containers that run.
        containers_running: u64,
        /// Containers that should.
        containers_total: u64,
    }
}

impl Ui<'_> {
    /// What is wrong now. Nothing when all is well.
    ///
    /// # Errors
    /// No login; anything but success; an answer that cannot be read, or holds no list: never taken for "all is well".
    pub async fn status(&self) -> Result<Vec<Event>> {
        #[derive(Deserialize)]
        struct Events {
            events: Vec<Event>,
        }
        Ok(self.flat::<Events>(STATUS, get(STATUS, &["v2", "system", "status"])).await?.events)
    }

    /// The machines, and how many places for virtual machines are free.
    ///
    /// # Errors
    /// As [`Ui::status`].
    pub async fn cluster(&self) -> Result<Cluster> {
        self.flat(STATUS, get(STATUS, &["v2", "system", "status", "cluster"])).await
    }

    /// The parts of the product.
    ///
    /// # Errors
    /// As [`Ui::status`].
    pub async fn components(&self) -> Result<Vec<Component>> {
        #[derive(Deserialize)]
        struct Components {
            components: Vec<Component>,
        }
        let call = get(STATUS, &["v2", "system", "status", "components"]);
        Ok(self.flat::<Components>(STATUS, call).await?.components)
    }

    /// The version, and until when it is supported.
    ///
    /// # Errors
    /// No login; anything but success.
    pub async fn version(&self) -> Result<SystemVersion> {
        let step = Step::Other("asking for the version");
        self.enveloped(step, get(step, &["system", "version"])).await
    }

    /// Logs, as a ZIP archive that comes as it is made and may be gigabytes: of these parts (`NAMESPACE/NAME`; of all when there are none), of the
    /// last so many seconds (all of them by default).
    ///
    /// # Errors
    /// A name with a comma; no login; anything but success.
    pub async fn logs(&self, components: &[String], since: Option<u64>) -> Result<Download> {
        if let Some(name) = components.iter().find(|name| name.contains(',')) {
            return Err(self.pt.invalid(LOGS, format!("'{name}' is no name of a part: it has a comma")));
        }
        let mut call = get(LOGS, &["system", "logs"]).query("components", components.join(","));
        if let Some(seconds) = since {
            call = call.query("since", seconds.to_string());
        }
        Ok(self.send(LOGS, call).await?.download())
    }
}
