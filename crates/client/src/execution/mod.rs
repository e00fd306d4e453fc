//! PremierLangage's execution API.

mod failure;

pub use failure::{HttpError, Reason, Response};
