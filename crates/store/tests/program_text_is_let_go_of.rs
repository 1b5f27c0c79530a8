//! Program text that is not in use does not stay resident.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;

use vectra_store::ProgramText;

/// Kilobytes of program text that are resident, the libraries' included.
fn resident_text() -> u64 {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut resident = 0;
    let mut is_text = false;
    for line in smaps.lines() {
        if let Some(size) = line.strip_prefix("Rss:").filter(|_| is_text) {
            resident += size
                .split_whitespace()
                .next()
                .unwrap()
                .parse::<u64>()
                .unwrap();
        } else if line.split_once('-').is_some() {
            is_text = line.contains(" r-xp ") && line.contains('/');
        }
    }
    resident
}

#[test]
fn program_text_is_let_go_of_and_comes_back_a_little_at_a_time() {
    // What measuring needs is there before and after.
    resident_text();
    let before = resident_text();
    let text = ProgramText::find().unwrap();
    text.release().unwrap();
    let after = resident_text();
    assert!(
        0 < after && after < before,
        "{after} kB of text are resident after {before}"
    );
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let largest = maps
        .lines()
        .filter(|line| line.contains(" r-xp ") && line.contains('/'));
    let largest = largest.map(|line| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        address(end) - address(start)
    });
    assert!(largest.max().unwrap() <= 8 << 10, "{maps}");
}
