//! The clock on the wall, which stands still for the run of a seed: hyper tells it in every answer.
//!
//! Nothing in Vectra asks for it. Time that passes is tokio's, which turmoil sets.

use std::sync::atomic::{AtomicBool, Ordering};

/// What the clock shows: the first of January 2026, in seconds since 1970.
const SHOWN: i64 = 1_767_225_600;

static STANDS_STILL: AtomicBool = AtomicBool::new(false);

/// From here on the clock on the wall stands still in this process.
pub(crate) fn stop() {
    STANDS_STILL.store(true, Ordering::SeqCst);
}

/// `struct timespec`, where both of its fields have 64 bits.
#[repr(C)]
struct TimeSpec {
    seconds: i64,
    nanoseconds: i64,
}

/// What the C library promises; the kernel is asked, but for the clock on the wall while that stands still.
#[allow(
    unsafe_code,
    reason = "it takes the place of a function of the C library"
)]
// SAFETY: the name and the signature are those of `clock_gettime(2)`, and so is what it does.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: i32, into: *mut TimeSpec) -> i32 {
    let time = match clock {
        0 if STANDS_STILL.load(Ordering::SeqCst) => TimeSpec {
            seconds: SHOWN,
            nanoseconds: 0,
        },
        0 => of_kernel(rustix::time::ClockId::Realtime),
        // Monotonic, raw, coarse or since boot: of those that are asked for here, one is as good as another.
        _ => of_kernel(rustix::time::ClockId::Monotonic),
    };
    if into.is_null() {
        return -1;
    }
    // SAFETY: the caller gives a place for the time.
    unsafe { into.write(time) };
    0
}

fn of_kernel(clock: rustix::time::ClockId) -> TimeSpec {
    let time = rustix::time::clock_gettime(clock);
    TimeSpec {
        seconds: time.tv_sec,
        nanoseconds: time.tv_nsec,
    }
}
