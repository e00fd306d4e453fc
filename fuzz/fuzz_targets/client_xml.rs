//! XML that a server of somebody else's answers: read within its limits, or refused.

#![no_main]

use belljar_client::xml::{Limits, to_json};
use libfuzzer_sys::fuzz_target;

/// Few enough to be met.
const LIMITS: Limits = Limits { depth: 8, bytes: 4096, elements: 64, piece: 512, attributes: 8 };

fuzz_target!(|input: &[u8]| {
    let narrow = to_json(input, &LIMITS);
    let wide = to_json(input, &Limits::default());
    // A limit refuses, and changes nothing of what is read.
    if let (Ok(narrow), Ok(wide)) = (narrow, wide) {
        assert_eq!(narrow, wide);
    }
});
