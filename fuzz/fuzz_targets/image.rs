//! What strangers write about images and is read outside of sandboxes: it is understood or refused, and nothing else.

#![no_main]

use belljar_image::{Challenge, Digest, ImageName, Reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    belljar_image::understand(input);
    let text = String::from_utf8_lossy(input);
    let _ = Challenge::parse(&text);
    if let Ok(name) = text.parse::<ImageName>() {
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
    }
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse(), Ok(reference));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
});
