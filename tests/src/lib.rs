//! Starts and stops real `vectra` processes for the scenarios in `tests/tests/scenarios`.
//!
//! - [`process`]: one process of the [`binary`] under test at an [`address`] of its own, its
//!   [`home`] and its log
//! - [`sandbox`]: a cluster of them; [`compose`]: one in containers; [`containers`]: what happens to those
//! - [`http`] with [`answer`], and [`raw`]: a well-behaved and a careless client
//! - [`python`]: an interpreter for the published example
//! - [`vectors`] made from a [`seed`], [`model`]: what has been acknowledged, so what must be
//!   found, [`oracle`]: the right answer of a search, in float64
//! - [`nemesis`]: what happens to a cluster, [`links`] among them, by a schedule;
//!   [`linearizability`]: whether clients could tell
//! - [`load`]: clients that never rest; [`placement`]: which node holds and leads what; [`shares`]:
//!   whether that is even, and what it cost
//! - [`wait`] and [`until`]: waiting without guessing; [`skip`]: skipping without hiding it

#![allow(clippy::unwrap_used, clippy::expect_used)] // a harness fails by panicking

pub mod address;
pub mod answer;
pub mod binary;
pub mod compose;
pub mod containers;
pub mod home;
pub mod http;
pub mod linearizability;
#[cfg(target_os = "linux")]
pub mod links;
pub mod load;
pub mod model;
#[cfg(target_os = "linux")]
pub mod nemesis;
pub mod npy;
pub mod oracle;
pub mod placement;
pub mod process;
pub mod python;
pub mod raw;
pub mod sandbox;
pub mod seed;
pub mod shares;
pub mod skip;
pub mod until;
pub mod vectors;
pub mod wait;
