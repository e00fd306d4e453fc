//! The resource against servers and a network that the tests make.

mod answers;
mod guard;
mod limits;
mod redirects;
mod requests;
mod tls;
mod world;
