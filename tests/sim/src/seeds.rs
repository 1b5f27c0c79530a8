//! Many seeds, each in a process of its own.

use std::io;
use std::ops::Range;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Runs all seeds of a range, so many at a time. Whether nothing was violated.
pub(crate) fn run_all(range: Range<u64>, jobs: usize, twice: bool) -> io::Result<bool> {
    let next = AtomicU64::new(range.start);
    let failed = AtomicUsize::new(0);
    let trouble = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if !range.contains(&seed) {
                        return;
                    }
                    match run_one(seed, twice) {
                        Ok(true) => {}
                        Ok(false) => {
                            failed.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => {
                            if let Ok(mut trouble) = trouble.lock() {
                                trouble.get_or_insert(error);
                            }
                            return;
                        }
                    }
                }
            });
        }
    });
    if let Ok(Some(error)) = trouble.into_inner() {
        return Err(error);
    }
    let failed = failed.into_inner();
    println!(
        "{failed} of {} seeds violated something",
        range.end - range.start
    );
    Ok(failed == 0)
}

/// Runs one seed, or twice the same; whether all is well.
fn run_one(seed: u64, twice: bool) -> io::Result<bool> {
    let first = run_process(seed, twice)?;
    let mut is_well = first.status.success();
    print!("{}", String::from_utf8_lossy(&first.stdout));
    if !is_well {
        print!("{}", String::from_utf8_lossy(&first.stderr));
        println!("run again with --seed {seed} --show (VECTRA_LOG=debug tells more)");
    }
    if twice {
        let second = run_process(seed, twice)?;
        if second.stdout != first.stdout {
            is_well = false;
            println!(
                "VIOLATED a seed repeats everything: the second run of seed {seed} differs:\n{}",
                String::from_utf8_lossy(&second.stdout)
            );
        }
    }
    Ok(is_well)
}

fn run_process(seed: u64, traced: bool) -> io::Result<Output> {
    Command::new(std::env::current_exe()?)
        .args(["--here", "--seed", &seed.to_string()])
        .args(traced.then_some("--trace"))
        .output()
}
