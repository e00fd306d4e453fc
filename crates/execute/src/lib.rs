//! Job "run" of belljar: requests of commands, environments to start from and to save, and facts about the machine.
//!
//! This crate knows no HTTP and no dialect: [`Request`] in, [`Response`] out.

mod budget;
mod direct;
mod error;
mod facts;
mod libraries;
mod member;
mod network;
mod policy;
mod request;
mod response;
mod run;
mod service;
pub mod settings;
mod tasks;

pub use error::{ExecuteError, NotReady, StartError};
pub use facts::{DiskRates, HostSpecifications, HostUsage, NetworkRates, SandboxSpecifications, Specifications, Usage};
pub use libraries::{Libraries, LibraryUpdate};
pub use member::{Member, MemberContent};
pub use network::Traffic;
pub use request::{Command, Request};
pub use response::{Execution, Response, ResultFile, TimeLimit};
pub use service::{Preparation, Service};
pub use settings::Settings;
