//! The licence, and antivirus engines.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::wire::model;
use super::words::{LicenseStatus, LicenseUpdateError};
use super::{Ui, get};
use crate::error::{Result, Step};
use crate::http::{Body, Call};

/// What asking for the licence is called.
const LICENCE: Step = Step::Other("asking for the licence");
/// What asking for engines is called.
const ENGINES: Step = Step::Other("asking for antivirus engines");

model! {
    /// Whether there is a licence, and which.
    #[serde(rename_all = "camelCase")]
    LicenceState {
        /// Whether there is one.
        state: LicenseStatus,
        /// Its number.
        serial_number: String,
        /// When it was last fetched: `error`, `lastCheckStatus`, `lastCheckTime`, `lastSuccessCheckTime`, `licenseUpdateTime`, `product`.
        update_status: Map<String, Value>,
        /// The licence.
        license: Licence,
    }

    /// A licence. Times are ISO 8601 with an offset, or seconds.
    #[serde(rename_all = "camelCase")]
    Licence {
        /// Its number.
        number: u64,
        /// When it ends.
        expiration_time: Value,
        /// Seconds that it is good for after that.
        grace_period: i64,
        /// It does not end.
        perpetual: bool,
        /// Files in an hour.
        files_per_hour: u64,
        /// Which sorts of sources.
        entry_points: Vec<String>,
        /// Sources may block what is dangerous.
        is_entry_points_blocking_mode: bool,
        /// Engines that come with it.
        internal_av_engines: Vec<String>,
        /// Engines that one has licences of one's own for.
        external_av_engines: Vec<String>,
        /// `multiScanner`, `sandboxHighPerformance`, `sandboxLowPerformance`: machines.
        nodes_limit: Map<String, Value>,
        /// Virtual machines: `enabled`, `images`.
        sandbox: Map<String, Value>,
        /// Limits: `type` and `limit`.
        performance: Vec<Map<String, Value>>,
    }

    /// What came of fetching the licence anew.
    LicenceUpdate {
        /// `SUCCESS` or `FAILED`.
        status: String,
        /// Why it failed.
        error: LicenseUpdateError,
    }

    /// An antivirus engine. Times are seconds since 1970.
    #[serde(rename_all = "camelCase")]
    AvEngine {
        /// It is to be used.
        enabled: bool,
        /// It is there.
        is_installed: bool,
        /// It is starting.
        is_initializing: bool,
        /// It works.
        is_ready: bool,
        /// Its version.
        engine_version: String,
        /// When it was last renewed.
        engine_update_time: i64,
        /// The age of its signatures.
        database_time: i64,
        /// When its licence ends.
        license_expiration: i64,
        /// What is wrong: `code` and `message`.
        errors: Vec<Map<String, Value>>,
        /// Whether its vendor still maintains it, such as `END_OF_SUPPORT`.
        maintenance_status: Option<String>,
    }
}

impl Ui<'_> {
    /// The licence.
    ///
    /// # Errors
    /// No login; anything but success.
    pub async fn licence(&self) -> Result<LicenceState> {
        self.enveloped(LICENCE, get(LICENCE, &["license"])).await
    }

    /// Fetches the licence anew from the vendor's server. Sent once.
    ///
    /// # Errors
    /// No login; anything but success. That it failed is in what came of it.
    pub async fn update_licence(&self) -> Result<LicenceUpdate> {
        self.enveloped(LICENCE, Call::put(LICENCE, ["api", "ui", "license"], Body::Empty).once()).await
    }

    /// Antivirus engines, by their names.
    ///
    /// # Errors
    /// No login; anything but success.
    pub async fn av_engines(&self) -> Result<BTreeMap<String, AvEngine>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Engines {
            engines_info: BTreeMap<String, AvEngine>,
        }
        Ok(self.enveloped::<Engines>(ENGINES, get(ENGINES, &["av-engines"])).await?.engines_info)
    }

    /// One antivirus engine: `licenses`, `updateUrl`, `distributionPack` and more.
    ///
    /// # Errors
    /// There is none of this name; no login; anything but success.
    pub async fn av_engine(&self, name: &str) -> Result<Map<String, Value>> {
        self.enveloped(ENGINES, get(ENGINES, &["av-engines", name])).await
    }

    /// Packs by which engines can be installed: `engineCodeName`, `pack`, `version`, `license`, `files`.
    ///
    /// # Errors
    /// No login; anything but success.
    pub async fn av_distribution_packs(&self) -> Result<Vec<Map<String, Value>>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Packs {
            distribution_packs: Vec<Map<String, Value>>,
        }
        Ok(self.enveloped::<Packs>(ENGINES, get(ENGINES, &["av-distribution-packs"])).await?.distribution_packs)
    }
}
