//! The cluster of `docker-compose.yml` in real containers, while things happen to them. Where no Docker
//! engine answers this says so on standard error. `docs/testing.md` tells what is covered.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod a_rolling_restart_fails_no_request;
mod each_fault_alone_is_hidden;
mod scene;
