//! The isolation core of belljar: [`Policy`] (what is allowed) and [`Command`] (what is run) make an [`Outcome`].
//!
//! This crate knows no HTTP, no database and no wire format of anybody else.

pub mod agent;
mod agent_call;
mod cgroup;
mod command;
mod doctor;
mod error;
mod init_socket;
mod launch;
mod launcher;
mod layer;
mod machine;
mod outcome;
mod policy;
mod pool;
mod prepare;
pub mod privileges;
mod report;
mod sandbox;
mod seccomp;
pub mod spelling;
mod streams;
pub mod units;
mod warm;

pub use belljar_sys::call::take_short_turns;

pub use agent_call::{AGENT_WALL_TIME, LAYER_WALL_TIME, LayerContents, MemberReader};
pub use command::{Command, Output, Stdin};
pub use doctor::{Finding, doctor};
pub use error::{AgentError, SandboxError, TakeError};
pub use launcher::{Launcher, launcher_main_if_asked};
pub use layer::{Enforcement, Layer, LayerReport, Strictness};
pub use outcome::{End, Limit, Outcome, Usage};
pub use policy::{Access, Bridge, Limits, MAX_LAYERS, Mount, Network, Policy, Preset, Reuse, Rootfs, User, Warm};
pub use pool::{Pool, PoolSettings, PoolStatus};
pub use sandbox::{Sandbox, Signaller};
pub use seccomp::interpreter_filter;
