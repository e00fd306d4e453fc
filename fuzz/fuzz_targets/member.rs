//! Looks for a file in anything: what is found has exactly the size that was announced.
#![no_main]

use std::io::Cursor;

use belljar_fuzz::{LIMITS, archive};
use belljar_sandbox::agent::find_member;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let archive = archive(input);
    for name in ["a", "a/b", "", "d/l"] {
        let mut reader = Cursor::new(&archive);
        if let Ok(found) = find_member(&mut reader, name, &LIMITS) {
            let size = found.size();
            let mut content = Vec::new();
            found.write_to(&mut content).expect("what was read once can be read again");
            assert_eq!(content.len() as u64, size);
        }
    }
});
