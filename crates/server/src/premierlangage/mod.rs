//! The dialect of the PremierLangage sandbox.
mod pyjson;
mod pyrepr;
