//! Many things at once: batched, repeated and reordered.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;

/// The most updates in one POST (WHATSAPP.md §2.1).
pub(crate) const MOST: usize = 1000;

/// How things come to the hub.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub(crate) struct Order {
    /// How many share a POST, 1 to 1,000.
    per_post: usize,
    /// The chance of each to come twice, 0 to 1.
    duplicates: f64,
    /// Whether they come in any order.
    shuffle: bool,
    /// What chance is drawn from: the same for the same seed.
    seed: u64,
}

impl Default for Order {
    fn default() -> Self {
        Self { per_post: MOST, duplicates: 0.0, shuffle: false, seed: 0 }
    }
}

impl Order {
    /// The posts that things become.
    pub(crate) fn arrange<T: Clone>(self, things: Vec<T>) -> Vec<Vec<T>> {
        let mut chance = StdRng::seed_from_u64(self.seed);
        let mut all = Vec::with_capacity(things.len());
        for thing in things {
            if chance.random_bool(self.duplicates.clamp(0.0, 1.0)) {
                all.push(thing.clone());
            }
            all.push(thing);
        }
        if self.shuffle {
            all.shuffle(&mut chance);
        }
        all.chunks(self.per_post.clamp(1, MOST)).map(<[T]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_batched_repeated_and_shuffled_by_seed() {
        let things: Vec<u32> = (0..2500).collect();
        let plain = Order::default().arrange(things.clone());
        assert_eq!(plain.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 500]);
        assert_eq!(plain.concat(), things);

        let wild = Order { per_post: 7, duplicates: 0.2, shuffle: true, seed: 42 };
        let arranged = wild.arrange(things.clone()).concat();
        assert!((2900..3100).contains(&arranged.len()), "{} with a fifth of 2,500 repeated", arranged.len());
        assert_eq!(arranged, wild.arrange(things.clone()).concat(), "the same seed gives the same order");
        assert_ne!(arranged, Order { seed: 43, ..wild }.arrange(things.clone()).concat());
        let mut each = arranged;
        each.sort_unstable();
        each.dedup();
        assert_eq!(each, things, "each thing came");
    }
}
