//! The cluster of `docker-compose.yml` in containers, clients of it that go through a load balancer,
//! what happens to it, and what must hold all the while.
//!
//! - [`Cluster`]: the containers; [`Fault`]: what happens to one of them
//! - [`Front`]: spreads requests over the coordinators that are ready
//! - [`traffic`]: searches and writes through it, and a [`Record`] of them
//! - [`invariants`]: one file each

mod cluster;
mod fault;
mod front;
pub mod invariants;
mod record;
pub mod traffic;

pub use cluster::{Cluster, Node};
pub use fault::Fault;
pub use front::Front;
pub use record::Record;
