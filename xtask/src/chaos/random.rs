//! Random numbers that are the same for the same seed.

/// `SplitMix64`, by Steele, Lea and Flood: small, and good enough to choose with.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another source, which this seed and number determine.
    pub(super) fn branch(seed: u64, number: u64) -> Self {
        let mut mixed = Self::new(seed ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03));
        Self::new(mixed.next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one; 0 if there is none.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// One of these; `None` if there is none.
    pub(super) fn choose<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let place = self.below(u64::try_from(from.len()).unwrap_or(u64::MAX));
        from.get(usize::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_everything() {
        let numbers = |mut random: Random| (0..8).map(|_| random.next()).collect::<Vec<_>>();
        // The reference implementation's first number for seed 0.
        assert_eq!(numbers(Random::new(0)).first(), Some(&0xe220_a839_7b1d_cdaf));
        assert_eq!(numbers(Random::branch(7, 1)), numbers(Random::branch(7, 1)));
        assert_ne!(numbers(Random::branch(7, 1)), numbers(Random::branch(7, 2)));
        assert_ne!(numbers(Random::branch(7, 1)), numbers(Random::branch(8, 1)));
        let mut random = Random::new(1);
        assert!((0..100).all(|_| random.below(3) < 3));
        assert_eq!((random.below(0), random.choose::<u8>(&[])), (0, None));
    }
}
