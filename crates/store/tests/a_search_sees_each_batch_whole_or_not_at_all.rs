//! Searches beside applies, checkpoints and compactions see each id once, and every id of a batch
//! in the same version.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replica;

use replica::{Replica, contents, mark, upsert};
use std::{
    collections::BTreeSet,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};
use vectra_store::{Frozen, StoreError};

const IDS: u32 = 30;
const VERSIONS: u32 = 400;

#[test]
fn beside_checkpoints_and_compactions() {
    let replica = Replica::with_rows_per_segment(8);
    let shard = &replica.shard;
    let batch = |version: u32| upsert((0..IDS).map(|number| (number, version as f32)));
    shard.apply(&batch(1).encode()).unwrap();
    let done = AtomicBool::new(false);
    let (to_seal, sealing) = mpsc::sync_channel::<Frozen>(0);

    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 2..=VERSIONS {
                let existed = shard.apply(&batch(version).encode()).unwrap().existed;
                assert_eq!(existed, u64::from(IDS));
                // Whenever the one before is sealed.
                let frozen = shard.freeze(mark(version as usize));
                let _ = to_seal.try_send(frozen);
            }
            drop(to_seal);
            done.store(true, Ordering::Release);
        });
        scope.spawn(move || {
            let mut sealed = 0;
            for frozen in sealing {
                match shard.seal(frozen) {
                    Ok(()) => sealed += 1,
                    // Frozen while the one before was still being sealed.
                    Err(StoreError::Overtaken) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(sealed > 0, "no checkpoint came in between");
        });
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                shard.compact(u64::MAX).unwrap();
                thread::yield_now();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut newest = 0;
                while !done.load(Ordering::Acquire) {
                    let view = shard.view();
                    let found = contents(&view);
                    assert_eq!(found.len(), IDS as usize);
                    assert_eq!(view.live_rows(), u64::from(IDS));
                    let versions: BTreeSet<u32> = found.values().map(|bits| bits[0]).collect();
                    assert_eq!(versions.len(), 1, "a batch was seen in parts");
                    let version = f32::from_bits(*versions.first().unwrap()) as u32;
                    assert!(version >= newest, "{version} came after {newest}");
                    newest = version;
                    let found = view.find(&replica::id(version % IDS)).unwrap().unwrap();
                    assert_eq!(found, replica::vector(version as f32));
                }
            });
        }
    });
    let found = contents(&shard.view());
    assert!(
        found
            .values()
            .all(|bits| bits[0] == (VERSIONS as f32).to_bits())
    );
}
