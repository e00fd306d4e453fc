//! JSON as Python's `json` module reads and writes it.
//!
//! Clients of this dialect were written against a Python server. They see its parser through the texts of its errors,
//! through `NaN` and `Infinity` being numbers, and through values that come back as Python prints them. `serde_json`
//! refuses the former and cannot tell `1` from `1.0`, so this dialect has a reader of its own.

mod reader;
mod value;
mod writer;

pub(crate) use reader::read;
pub(crate) use value::{Text, Value};
pub(crate) use writer::write;

#[cfg(test)]
mod against_python;
