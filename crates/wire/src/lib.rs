//! Messages and services generated from `/proto`, and the one place that converts their parts.

#![allow(missing_docs, clippy::unwrap_used, reason = "generated code")]

/// Version 1 of the protocol.
pub mod v1 {
    tonic::include_proto!("vectra.v1");
}
