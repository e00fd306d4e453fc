//! The isolation core of belljar: [`Policy`] (what is allowed) and [`Command`] (what is run) make an [`Outcome`].
//!
//! This crate knows no HTTP, no database and no wire format of anybody else.

pub mod agent;
mod command;
mod layer;
mod outcome;
mod policy;
pub mod units;

pub use command::{Command, Output, Stdin};
pub use layer::{Enforcement, Layer, LayerReport, Strictness};
pub use outcome::{End, Limit, Outcome, Usage};
pub use policy::{Access, Limits, Mount, Network, Policy, Preset, Rootfs, User};
