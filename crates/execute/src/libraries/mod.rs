//! What software programs find: the machine's own, and repositories that the operator adds.

mod external;
mod git;

pub use external::LibraryUpdate;
pub(crate) use external::update_all;
