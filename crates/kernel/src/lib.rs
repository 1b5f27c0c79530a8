//! kernel (skeleton)
