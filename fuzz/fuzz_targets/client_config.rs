//! What is written about sandboxes, and the names that servers give: understood or refused, and nothing else.

#![no_main]

use belljar_client::Hash;
use belljar_client::config::Sandboxes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    if let Ok(sandboxes) = Sandboxes::from_toml(&text) {
        for entry in sandboxes.entries() {
            let _ = (entry.address(), entry.cloud(), entry.warnings());
        }
    }
    if let Some(hash) = Hash::parse(&text) {
        assert_eq!(Hash::parse(hash.as_str()), Some(hash));
    }
});
