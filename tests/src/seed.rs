//! What the environment says of seeded scenarios: how long, and which run to replay.

use rand::Rng;

/// Rounds to run: the variable `name`, else `default`.
pub fn rounds(name: &str, default: u64) -> u64 {
    from_environment(name).unwrap_or(default)
}

/// The seed to run with: `VECTRA_TEST_SEED`, else any.
pub fn seed() -> u64 {
    from_environment("VECTRA_TEST_SEED").unwrap_or_else(|| rand::rng().random())
}

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {value:?}, not a number")),
    )
}
