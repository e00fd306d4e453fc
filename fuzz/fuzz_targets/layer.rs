//! Decompresses and unpacks anything as a layer of an image: nothing changes beside the directory, and nothing in it is a device other
//! than a whiteout or has a special bit.
#![no_main]

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use belljar_fuzz::{LIMITS, archive};
use belljar_sandbox::agent::{decompress, unpack_layer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let around = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let layer = around.path().join("layer");
    fs::create_dir(&layer).expect("a new directory");
    fs::write(around.path().join("canary"), "alive").expect("a new file");

    let mut tar = Vec::new();
    let _ = decompress(&*archive(input), &mut tar, LIMITS.max_bytes * 2);
    let directory = File::open(&layer).expect("a directory that is there");
    let _ = unpack_layer(&*tar, directory.as_fd(), &LIMITS);

    let mut left = vec![layer];
    while let Some(directory) = left.pop() {
        // One that is closed even to its owner holds nothing that anybody can use.
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            let metadata = fs::symlink_metadata(&path).expect("it is there");
            let kind = metadata.file_type();
            assert!(!kind.is_block_device() && (!kind.is_char_device() || metadata.rdev() == 0));
            assert_eq!(metadata.mode() & 0o7000, 0);
            if kind.is_dir() {
                left.push(path);
            }
        }
    }
    let canary = fs::read(around.path().join("canary"));
    assert!(canary.is_ok_and(|canary| canary == b"alive"));
    let parent = File::open(around.path()).expect("a directory that is there");
    belljar_sandbox::agent::remove_tree(parent.as_fd(), b"layer").expect("any tree can be removed");
});
