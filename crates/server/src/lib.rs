//! HTTP of belljar: listeners, authentication, and one module per dialect.
mod body;
mod premierlangage;
