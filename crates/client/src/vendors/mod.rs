//! One module for each vendor.

mod metadefender;
mod triage;
mod wildfire;

pub use metadefender::{
    METADEFENDER_CLOUD, METADEFENDER_PROFILE, METADEFENDER_SANDBOX, MetaDefender, MetaDefenderCloud,
    MetaDefenderCloudSettings, MetaDefenderPage, MetaDefenderReport, MetaDefenderSettings,
};
pub use triage::{
    TRIAGE_CLOUD, TRIAGE_PRIVATE_CLOUD, Triage, TriageChoice, TriageEvent, TriagePage, TriageSample, TriageSettings,
    TriageSubset,
};
pub use wildfire::{
    WILDFIRE_CLOUD, WildFire, WildFireRuling, WildFireSettings, WildFireTestFile, WildFireVerdict, WildFireWebArtifact,
};

mod address;
mod cape;
mod cuckoo;
mod cuckoo3;
mod falcon;
mod falconx;
mod fireeye;
mod joe;
mod loose;
pub mod pt;
mod session;
mod vmray;

pub use cape::{CAPE_PORT, Cape, CapeFilter, CapeSettings};
pub use cuckoo::{CUCKOO_PORT, Cuckoo, CuckooFilter, CuckooMachine, CuckooSample, CuckooSettings, CuckooTask, Uploads};
pub use cuckoo3::{Cuckoo3, Cuckoo3Analysis, Cuckoo3Settings, Cuckoo3Target, Cuckoo3Task};
pub use falcon::{
    FALCON_ENVIRONMENT, Falcon, FalconEnvironment, FalconKey, FalconLimit, FalconLimits, FalconSettings, FalconSharing,
    FalconSystem, HYBRID_ANALYSIS, QuickScan, Screenshot,
};
pub use falconx::{
    FALCONX_ENVIRONMENT, FALCONX_EU1, FALCONX_GOV1, FALCONX_MAX_BYTES, FALCONX_US1, FALCONX_US2, FalconX, FalconXDump,
    FalconXKind, FalconXQuota, FalconXSettings,
};
pub use fireeye::{FIREEYE_PROFILE, FireEye, FireEyeSettings, FireEyeVersion};
pub use joe::{
    JOE_CHUNK_BYTES, JOE_CLOUD, JOE_DOWNLOADS, JOE_WEB_ID, Joe, JoeAccount, JoeAnalysis, JoeLab, JoePage, JoeQuota,
    JoeQuotas, JoeRun, JoeSettings, JoeSubject, JoeSubmission, JoeSystem,
};
pub use pt::{Pt, PtSettings};
pub use vmray::{
    VMRAY_CLOUD, VmRay, VmRayAnalysis, VmRayBilling, VmRayJob, VmRaySample, VmRaySettings, VmRaySubmission,
    VmRaySystem, VmRayTechnique,
};
