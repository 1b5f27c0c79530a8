//! Times as medians of many runs, never a single one.

use std::time::{Duration, Instant};

/// What many runs of one thing took.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The middle one: what to expect.
    pub median: Duration,
    /// The shortest: what it takes when nothing else wants the machine.
    pub fastest: Duration,
}

/// Measures several things in turns, so that a slow spell of the machine meets all of them alike.
pub fn measure_in_turns<const N: usize>(
    turns: usize,
    mut measured: [&mut dyn FnMut(); N],
) -> [Times; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(turns));
    for _ in 0..turns {
        for (run, times) in measured.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            times.push(start.elapsed());
        }
    }
    times.map(|times| Times {
        fastest: times.iter().min().copied().unwrap_or_default(),
        median: median(times),
    })
}

/// The middle one; zero of none.
#[must_use]
pub fn median<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The middle of some figures, the mean of the two in the middle of an even number; `None` of none.
#[must_use]
pub fn median_of(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let upper = *figures.get(figures.len() / 2)?;
    let lower = *figures.get(figures.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// A duration in milliseconds.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(median_of([]), None);
        assert_eq!(median_of([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median_of([4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
