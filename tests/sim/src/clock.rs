//! The clocks of the operating system, for the run of a seed. The one on the wall stands still: hyper tells it
//! in every answer. The one that only ever goes on shows the simulated time: h2 asks it how long ago a stream
//! was reset, and would remember more of them on a machine that simulates faster.
//!
//! Nothing in Vectra asks for either. Time that passes is tokio's, which turmoil sets.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What the clock on the wall shows: the first of January 2026, in seconds since 1970.
const SHOWN: i64 = 1_767_225_600;
/// What the other shows when the simulation begins, in seconds: so late that no deadline of a thread beside
/// it, set by this clock, has passed by the kernel's.
const BEGINNING: i64 = 1_000_000_000;

static IS_SIMULATED: AtomicBool = AtomicBool::new(false);
/// In nanoseconds.
static ELAPSED: AtomicU64 = AtomicU64::new(0);

/// From here on this process has the clocks of the simulation.
pub(crate) fn simulate() {
    IS_SIMULATED.store(true, Ordering::SeqCst);
}

/// So much time has passed in the simulation.
pub(crate) fn show(elapsed: Duration) {
    let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    ELAPSED.store(nanoseconds, Ordering::SeqCst);
}

/// `struct timespec`, where both of its fields have 64 bits.
#[repr(C)]
struct TimeSpec {
    seconds: i64,
    nanoseconds: i64,
}

/// What the C library promises; outside of a simulation the kernel is asked.
#[allow(
    unsafe_code,
    reason = "it takes the place of a function of the C library"
)]
// SAFETY: the name and the signature are those of `clock_gettime(2)`, and so is what it does.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: i32, into: *mut TimeSpec) -> i32 {
    let is_on_the_wall = clock == 0;
    let time = match (is_on_the_wall, IS_SIMULATED.load(Ordering::SeqCst)) {
        (true, false) => of_kernel(rustix::time::ClockId::Realtime),
        (true, true) => TimeSpec {
            seconds: SHOWN,
            nanoseconds: 0,
        },
        // Monotonic, raw, coarse or since boot: of those that are asked for here, one is as good as another.
        (false, false) => of_kernel(rustix::time::ClockId::Monotonic),
        (false, true) => simulated(),
    };
    if into.is_null() {
        return -1;
    }
    // SAFETY: the caller gives a place for the time.
    unsafe { into.write(time) };
    0
}

fn simulated() -> TimeSpec {
    const SECOND: u64 = 1_000_000_000;
    let elapsed = ELAPSED.load(Ordering::SeqCst);
    TimeSpec {
        seconds: BEGINNING.saturating_add_unsigned(elapsed / SECOND),
        nanoseconds: (elapsed % SECOND) as i64,
    }
}

fn of_kernel(clock: rustix::time::ClockId) -> TimeSpec {
    let time = rustix::time::clock_gettime(clock);
    TimeSpec {
        seconds: time.tv_sec,
        nanoseconds: time.tv_nsec,
    }
}
