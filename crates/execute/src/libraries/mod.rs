//! What software programs find: the machine's own, and repositories that the operator adds.

mod cache;
mod external;
mod git;
mod listing;

pub(crate) use cache::Cache;
pub use external::LibraryUpdate;
pub(crate) use external::update_all;
pub use listing::Libraries;
pub(crate) use listing::{PROBE, PROBE_TIMEOUT};
