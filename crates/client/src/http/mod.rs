//! Requests with manners: time limits, retries only where they are safe, rate limits, and no secrets in what is said about them.

mod address;
mod answer;
mod call;
mod context;
mod multipart;
mod pace;
mod progress;
mod settings;
mod transport;

pub(crate) use address::{passwords_in, without_password};
pub use answer::Answer;
pub(crate) use answer::plain_name;
pub use call::{Body, Call};
pub use multipart::Part;
pub use settings::Settings;
pub use transport::Transport;
