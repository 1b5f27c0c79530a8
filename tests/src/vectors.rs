//! Made data: seeded, so that a failure can be run again.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A generator for a seed.
pub fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// One vector with values in -1 to 1.
pub fn random_vector(random: &mut StdRng, dimension: usize) -> Vec<f32> {
    (0..dimension)
        .map(|_| random.random_range(-1.0..1.0))
        .collect()
}

/// `count` vectors with values in -1 to 1.
pub fn random_vectors(random: &mut StdRng, count: usize, dimension: usize) -> Vec<Vec<f32>> {
    (0..count)
        .map(|_| random_vector(random, dimension))
        .collect()
}

/// `count` vectors close around a few centres, and some exact duplicates among them: the neighbours
/// of a query differ in the last digits only, which is where a rounding would show.
pub fn clustered_vectors(random: &mut StdRng, count: usize, dimension: usize) -> Vec<Vec<f32>> {
    let centres = random_vectors(random, 5, dimension);
    let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(count);
    for row in 0..count {
        if row % 20 == 19 {
            let twin = vectors[random.random_range(0..row)].clone();
            vectors.push(twin);
            continue;
        }
        let centre = &centres[random.random_range(0..centres.len())];
        let near = centre
            .iter()
            .map(|x| x + random.random_range(-0.01..0.01))
            .collect();
        vectors.push(near);
    }
    vectors
}

/// `prefix` followed by 0, 1, 2 …
pub fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}{number}"))
        .collect()
}
