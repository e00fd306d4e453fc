//! The dialect of the PremierLangage sandbox.
mod form;
mod pyjson;
mod pyrepr;
