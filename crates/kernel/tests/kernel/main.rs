//! The kernel's promises, from outside: each file is one of them.

#![allow(clippy::unwrap_used)]

mod a_certified_search_equals_the_oracle;
mod a_shared_scan_finds_what_lone_ones_do;
mod adversarial;
mod certified_search;
mod clustered;
mod codes_of_another_shape_are_refused;
mod decaying;
mod laid_out;
mod no_row_escapes_its_bound;
mod numbers;
mod plain_codes_rank_sanely;
mod rows_are_arranged_where_it_pays;
mod rows_stay_near_their_codes;
mod scores_are_the_same_bits;
