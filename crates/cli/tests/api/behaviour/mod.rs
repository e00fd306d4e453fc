//! The 87 behaviours that the peer's own suites check, by their numbers in the reference: a test `b44_…` is number 44.
//!
//! Behaviours of the peer's inner functions are checked by what they mean for callers.

mod environments;
mod facts;
mod housekeeping;
mod merging;
mod parsing;
mod pool;
mod running;

/// Behaviours without a test here, and why.
const LEFT_OUT: [(u32, &str); 6] = [
    (73, "a sandbox always has a limit on its disk; there is no unlimited one to be told as -1"),
    (75, "no set of CPUs can be given; the number is told as 71 checks (nor did the peer ever run this one)"),
    (84, "of the client only: its classes of errors"),
    (85, "of the client only: the lookup of these classes"),
    (86, "of the client only: what its own validation accepts"),
    (87, "of the client only: what its own validation refuses"),
];

/// All modules that hold tests of behaviours.
const SOURCES: [&str; 7] = [
    include_str!("environments.rs"),
    include_str!("facts.rs"),
    include_str!("housekeeping.rs"),
    include_str!("merging.rs"),
    include_str!("parsing.rs"),
    include_str!("pool.rs"),
    include_str!("running.rs"),
];

#[test]
fn every_behaviour_has_a_test_or_a_reason() {
    let mut numbers: Vec<u32> = LEFT_OUT.iter().map(|(number, _)| *number).collect();
    for source in SOURCES {
        for name in source.lines().filter_map(|line| line.strip_prefix("fn ")) {
            // `b03_b04_…` is a test of two.
            let prefixes = name.split('_').map_while(|word| word.strip_prefix('b')?.parse::<u32>().ok());
            numbers.extend(prefixes);
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=87).collect::<Vec<u32>>());
}
