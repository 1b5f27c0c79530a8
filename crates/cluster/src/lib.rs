//! cluster (skeleton)
