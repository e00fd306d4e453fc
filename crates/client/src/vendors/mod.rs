//! One module for each vendor.

mod address;
mod cuckoo;
mod falcon;
mod loose;

pub use cuckoo::{CUCKOO_PORT, Cuckoo, CuckooFilter, CuckooMachine, CuckooSample, CuckooSettings, CuckooTask, Uploads};
pub use falcon::{
    FALCON_ENVIRONMENT, Falcon, FalconEnvironment, FalconKey, FalconLimit, FalconLimits, FalconSettings, FalconSharing,
    FalconSystem, HYBRID_ANALYSIS, QuickScan, Screenshot,
};
