//! XML as some vendors answer it: read as it comes, within limits, and turned into JSON in the way that Python programs know of `xmltodict`.
//!
//! References to entities are an error, but for the five of XML itself and for characters: nothing is ever expanded, and no file or address that
//! a document names is opened.
//!
//! ```
//! use belljar_client::xml::{Limits, to_json};
//!
//! let document = r#"<wildfire><entry id="7">a &amp; b</entry><entry/></wildfire>"#;
//! let json = to_json(document.as_bytes(), &Limits::default())?;
//! assert_eq!(json, serde_json::json!({"wildfire": {"entry": [{"@id": "7", "#text": "a & b"}, null]}}));
//! # Ok::<(), belljar_client::xml::XmlError>(())
//! ```

mod ration;
mod tree;
mod walk;

use std::io;

pub use tree::to_json;
pub(crate) use walk::{Attributes, Visit, walk};

/// How much of a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Elements within each other. 64 by default; the reports that are known have 12.
    pub depth: usize,
    /// Bytes of the whole document. 64 MiB by default.
    pub bytes: u64,
    /// Elements. 1,000,000 by default: each takes some hundred bytes as JSON.
    pub elements: u64,
    /// Bytes of one tag with its attributes, or of one text. 4 MiB by default.
    pub piece: u64,
    /// Attributes of one element. 256 by default.
    pub attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, bytes: 64 << 20, elements: 1_000_000, piece: 4 << 20, attributes: 256 }
    }
}

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    /// Its bytes cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[source] io::Error),
    /// It is no XML, or not well-formed.
    #[error("no XML, at byte {at}: {problem}")]
    Malformed {
        /// Where.
        at: u64,
        /// Why.
        problem: String,
    },
    /// It refers to an entity that it would have to define.
    #[error("the entity {0:?} is not expanded")]
    Entity(String),
    /// There is more of it than the [`Limits`] allow.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}
