//! Each vendor's client, against a server that stands in for the vendor's: one program for all, because each would have to be linked.
//!
//! Numbers in comments are those of the list of behaviours of InQuest's client, which ours is measured by.
#![expect(clippy::unwrap_used, reason = "tests")]

mod asked;
mod blocking;
mod cape;
mod clients;
mod connections;
mod cuckoo;
mod cuckoo3;
mod failures;
mod falcon;
mod falconx;
mod fireeye;
mod fleet;
mod hostile;
mod joe;
mod metadefender;
mod premierlangage;
mod pt;
mod pt_ui;
mod stand_in;
mod triage;
mod vmray;
mod wildfire;
