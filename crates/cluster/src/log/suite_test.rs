//! openraft's own test suite, over this log and both state machines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::{StoreBuilder, Suite};
use tempfile::TempDir;
use vectra_store::{Shard, StoreOptions};

use super::{GroupLog, LogEngine};
use crate::machine::{Children, PlacementConfig, PlacementMachine, ShardConfig, ShardMachine};
use crate::{Network, NodeId};

type Built<C, M> = Result<(TempDir, GroupLog<C>, M), StorageError<NodeId>>;

struct ShardStores;

impl StoreBuilder<ShardConfig, GroupLog<ShardConfig>, ShardMachine, TempDir> for ShardStores {
    async fn build(&self) -> Built<ShardConfig, ShardMachine> {
        let directory = tempfile::tempdir().unwrap();
        let engine = LogEngine::open(&directory.path().join("log")).unwrap();
        let log = GroupLog::open(&engine, 2).await.unwrap();
        let path = directory.path().join("shard");
        let shard = Shard::open(&path, 4, StoreOptions::default()).unwrap();
        let children = Children::new(1, engine, directory.path().to_path_buf(), || {});
        let machine = ShardMachine::new(Arc::new(shard), children).unwrap();
        Ok((directory, log, machine))
    }
}

struct PlacementStores;

impl StoreBuilder<PlacementConfig, GroupLog<PlacementConfig>, PlacementMachine, TempDir>
    for PlacementStores
{
    async fn build(&self) -> Built<PlacementConfig, PlacementMachine> {
        let directory = tempfile::tempdir().unwrap();
        let engine = LogEngine::open(&directory.path().join("log")).unwrap();
        let log = GroupLog::open(&engine, 1).await.unwrap();
        let path = directory.path().join("placement");
        let machine = PlacementMachine::open(path, Network::new(0)).unwrap();
        Ok((directory, log, machine))
    }
}

#[test]
fn the_log_with_a_shard_behind_it_passes_openrafts_suite() {
    Suite::test_all(ShardStores).unwrap();
}

#[test]
fn the_log_with_the_placement_behind_it_passes_openrafts_suite() {
    Suite::test_all(PlacementStores).unwrap();
}
