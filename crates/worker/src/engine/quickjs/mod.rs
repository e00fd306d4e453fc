//! JavaScript on QuickJS: an app is loaded once, and each message runs in a fork.
//!
//! ```text
//! worker ── QuickJs ── Handle ─┐ orders, reports                    threads, tokio, secrets
//!                              │
//! ┌ sandbox of the app ────────┼─────────────────────────────────┐
//! │                          zygote: engine, modules, app loaded │  one thread; runs scripts only while they load
//! │                            ├─ a message                      │  filter, limits; lines on its socket
//! │                            └─ a message                      │
//! └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! - What loading leaves behind, requests that wait to be written among it, is what every message begins with. The event loop is turned
//!   in the fork for the first time, and not before its first line is there.
//! - QuickJS is no boundary. An app that breaks it while it loads has the zygote, and with it the messages of that app; one that breaks
//!   it while it serves a message has that message, since it can neither signal nor look into any other process. Both are in the
//!   sandbox, where there is nothing but our own program and the modules.
//! - What must not be the same for all messages, time and randomness, is found out: see [`Extent`].

mod app;
mod child;
mod code;
mod engine;
mod forked;
mod fresh;
mod handle;
mod settings;
mod wire;
mod world;
mod zygote;

pub use engine::{QuickJs, QuickJsApp};
pub use fresh::Extent;
pub use settings::QuickJsSettings;
pub use zygote::zygote_main_if_asked;
