//! One module for each vendor.

mod cuckoo;
mod loose;

pub use cuckoo::{Cuckoo, CuckooSettings};
