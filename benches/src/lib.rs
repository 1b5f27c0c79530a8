//! Measurements of Vectra; results with date and machine are kept in `benches/results`.
