//! Job "run" of belljar: requests of commands, environments to start from and to save, and facts about the machine.
//!
//! This crate knows no HTTP and no dialect: [`Request`] in, [`Response`] out.

mod budget;
mod error;
mod facts;
mod libraries;
mod request;
mod response;
pub mod settings;

pub use error::ExecuteError;
pub use facts::{
    DiskRates, HostSpecifications, HostUsage, NetworkRates, SandboxSpecifications, Specifications,
    Usage,
};
pub use libraries::LibraryUpdate;
pub use request::{Command, Request};
pub use response::{Execution, Response, ResultFile, TimeLimit};
pub use settings::Settings;
