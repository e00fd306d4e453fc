//! Job "ask" of belljar: other people's sandboxes through one interface.
//!
//! A [`Sandbox`] takes a [`Sample`] and gives a [`Submission`]; [`wait()`] follows it with a deadline; its [`Report`] says what the
//! vendor found, in a common form and as it came; the [`Verdict`] says one thing for all vendors: clean, unknown, suspicious or malicious, and why.
//!
//! ```no_run
//! use belljar_client::vendors::{Cuckoo, CuckooSettings};
//! use belljar_client::{Options, Patience, Sample, Sandbox, http::Settings, wait};
//!
//! # async fn example() -> belljar_client::Result<()> {
//! let cuckoo = Cuckoo::new(CuckooSettings { http: Settings::new("lab", "http://127.0.0.1:8090"), token: None })?;
//! let submission = cuckoo.submit(&Sample::path("sample.exe"), &Options::default()).await?;
//! wait(&cuckoo, &submission, Patience::default(), |status| println!("{status:?}")).await?;
//! let verdict = cuckoo.report(&submission).await?.verdict;
//! println!("{}, {:?} of 100: {:?}", verdict.verdict, verdict.score, verdict.reasons);
//! # Ok(())
//! # }
//! ```
//!
//! The same without `async` is in [`blocking`]. Sandboxes that execute, and do not analyse, are in [`execution`].
//!
//! Nothing is asked twice that may have happened once; everything has a time limit; keys are in no error, log or `Debug`.

pub mod blocking;
pub mod config;
mod error;
pub mod execution;
pub mod fleet;
pub mod http;
mod report;
mod sample;
mod sandbox;
mod secret;
mod spool;
pub mod vendors;
mod verdict;
mod wait;
pub mod xml;

pub use error::{Error, ErrorKind, Fault, Result, Step};
pub use report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
pub use sample::{Hash, HashKind, Origin, Sample};
pub use sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Queue, Sandbox, Status,
    Submission, Vendor,
};
pub use secret::Secret;
pub use spool::{IN_MEMORY, Reader, Spooled};
pub use verdict::{Consensus, MALICIOUS_FROM, Raw, SURE_FROM, SUSPICIOUS_FROM, Verdict, Vote, Word, consensus};
pub use wait::{Patience, wait};
