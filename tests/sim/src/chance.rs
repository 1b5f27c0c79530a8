//! One source of chance for the whole process, so that a seed repeats everything.
//!
//! Much of what is linked into this process draws seeds of its own: hash maps their keys, tokio the order
//! in which a `select!` looks at its branches, the server its node ids. All of that comes from the
//! operating system through `getrandom`. The standard library calls it by a weak symbol, on purpose, "for
//! perf measurements that want to disable randomness for consistency": it is defined here instead. So
//! one process simulates one seed.
//!
//! Each thread draws for itself: the raft log's engine starts a few when it opens, and what those draw, and
//! when, must not change what the simulation's own thread gets.

use std::cell::Cell;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

thread_local! {
    /// The state of the generator behind `getrandom`.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// From here on, all chance in this thread follows from `seed`. Before anything draws any.
pub(crate) fn follow(seed: u64) {
    STATE.set(seed);
}

/// A source for one purpose: what is drawn from one does not change what another gives.
pub(crate) fn source(seed: u64, purpose: &str) -> SmallRng {
    SmallRng::seed_from_u64(xxhash_rust::xxh3::xxh3_64_with_seed(
        purpose.as_bytes(),
        seed,
    ))
}

/// Splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
fn next() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let state = STATE.get().wrapping_add(STEP);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What the C library promises: fills `length` bytes at `buffer`, and says how many.
#[allow(
    unsafe_code,
    reason = "it takes the place of a function of the C library"
)]
// SAFETY: the name and the signature are those of `getrandom(2)`, and so is what it does.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    if buffer.is_null() || length == 0 {
        return 0;
    }
    // SAFETY: the caller gives a buffer of `length` bytes that it alone uses.
    let bytes = unsafe {
        std::ptr::write_bytes(buffer, 0, length);
        std::slice::from_raw_parts_mut(buffer, length)
    };
    for chunk in bytes.chunks_mut(8) {
        let drawn = next().to_le_bytes();
        chunk.copy_from_slice(&drawn[..chunk.len()]);
    }
    length as isize
}

/// Whether something of this probability happens.
pub(crate) fn happens(random: &mut impl Rng, probability: f64) -> bool {
    random.random_bool(probability)
}
