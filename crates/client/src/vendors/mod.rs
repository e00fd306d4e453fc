//! One module for each vendor.

mod address;
mod cuckoo;
mod loose;

pub use cuckoo::{CUCKOO_PORT, Cuckoo, CuckooFilter, CuckooMachine, CuckooSample, CuckooSettings, CuckooTask, Uploads};
