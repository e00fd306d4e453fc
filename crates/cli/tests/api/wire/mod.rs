//! The protocol to the byte: sections 1 to 3 of the reference, and what its real callers depend on.

mod answers;
mod callers;
mod directories;
mod encodings;
mod order;
mod output;
mod routes;
