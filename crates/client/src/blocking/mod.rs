//! The same without `async`: analysis sandboxes, and the execution API.
//!
//! ```no_run
//! use std::sync::Arc;
//! use belljar_client::vendors::{Cuckoo, CuckooSettings};
//! use belljar_client::{ArtifactKind, Options, Patience, Sample, blocking, http::Settings};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let cuckoo = Cuckoo::new(CuckooSettings { http: Settings::new("lab", "http://127.0.0.1:8090"), token: None })?;
//! let lab = blocking::Sandbox::new(Arc::new(cuckoo))?;
//! let submission = lab.submit(&Sample::path("sample.exe"), &Options::default())?;
//! lab.wait(&submission, Patience::default(), |status| println!("{status:?}"))?;
//! println!("{:?}", lab.report(&submission)?.verdict);
//! std::io::copy(&mut lab.artifact(&submission, ArtifactKind::Pcap)?, &mut std::fs::File::create("traffic.pcap")?)?;
//! # Ok(())
//! # }
//! ```
//!
//! A facade has a thread of its own on which its requests are made ([`Runtime`]), so that it works anywhere: also inside of somebody else's
//! runtime, where it blocks the thread that calls it, and nothing else.

mod download;
mod execution;
mod runtime;
mod sandbox;

pub use download::Download;
pub use execution::Execution;
pub use runtime::Runtime;
pub use sandbox::Sandbox;
