//! Numbers, sizes and durations, and what they may be.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::quantity::write_size;
use super::raw::{Size, Span, Whole};
use super::validate::Check;

/// A shard node that was restarted in an orderly way is back long before.
const DEAD_AFTER: RangeInclusive<Duration> =
    Duration::from_secs(5)..=Duration::from_secs(7 * 24 * 3_600);
const DEFAULT_DEAD_AFTER: Duration = Duration::from_secs(600);

/// The scan of so many vectors keeps a core busy for a few milliseconds.
const DEFAULT_SPLIT_AT: u64 = 2_000_000;
const SPLIT_AT: RangeInclusive<u64> = 100..=1_000_000_000;

impl Check<'_> {
    pub(super) fn whole<T>(
        &mut self,
        key: &str,
        given: Option<Whole>,
        default: usize,
        range: RangeInclusive<T>,
    ) -> usize
    where
        T: Copy + Display + TryInto<usize>,
    {
        let bound = |bound: &T| (*bound).try_into().unwrap_or(usize::MAX);
        let allowed = bound(range.start())..=bound(range.end());
        let Some(Whole(number)) = given else {
            return default;
        };
        match usize::try_from(number) {
            Ok(number) if allowed.contains(&number) => number,
            _ => {
                self.refuse(key, format!("must be {} to {}", range.start(), range.end()));
                default
            }
        }
    }

    pub(super) fn size(
        &mut self,
        key: &str,
        given: Option<Size>,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let size = given.map_or(default, |size| size.0);
        if range.contains(&size) {
            return size;
        }
        let (least, most) = (write_size(*range.start()), write_size(*range.end()));
        self.refuse(key, format!("must be {least} to {most}"));
        default
    }

    /// At least so many milliseconds, also in words; 30 s unless given.
    pub(super) fn span(&mut self, key: &str, given: Option<Span>, least: (u64, &str)) -> Duration {
        let default = Duration::from_secs(30);
        let span = given.map_or(default, |span| span.0);
        if (Duration::from_millis(least.0)..=Duration::from_secs(3600)).contains(&span) {
            return span;
        }
        self.refuse(key, format!("must be {} to 1 h", least.1));
        default
    }

    pub(super) fn dead_after(&mut self, given: Option<Duration>) -> Duration {
        let dead_after = given.unwrap_or(DEFAULT_DEAD_AFTER);
        if DEAD_AFTER.contains(&dead_after) {
            return dead_after;
        }
        self.refuse("dead_after", "must be 5 s to 7 days (168h)");
        DEFAULT_DEAD_AFTER
    }

    /// `u64::MAX` for never.
    pub(super) fn split_at(&mut self, given: Option<Whole>) -> u64 {
        let Some(Whole(number)) = given else {
            return DEFAULT_SPLIT_AT;
        };
        match u64::try_from(number) {
            Ok(0) => u64::MAX,
            Ok(rows) if SPLIT_AT.contains(&rows) => rows,
            _ => {
                let (least, most) = (SPLIT_AT.start(), SPLIT_AT.end());
                let reason = format!("must be {least} to {most} vectors, or 0 for never");
                self.refuse("split_at", reason);
                DEFAULT_SPLIT_AT
            }
        }
    }
}
