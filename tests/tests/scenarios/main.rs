//! What a user relies on, one scenario a file, against real processes.

#![allow(clippy::unwrap_used, clippy::expect_used)] // tests fail by panicking

mod a_cluster_grows_and_shrinks_under_load;
mod a_cluster_keeps_its_word_under_kill;
mod a_cluster_survives_a_killed_shard_node;
mod a_cluster_survives_any_killed_coordinator;
mod a_coordinator_joins_a_running_cluster;
mod a_coordinator_leaves_a_running_cluster;
mod a_coordinator_that_lost_its_data_joins_its_own_cluster;
mod a_copied_data_directory_is_refused;
mod a_damaged_replica_is_rebuilt;
mod a_dead_node_is_replaced;
mod a_deposed_leader_never_answers_from_the_past;
mod a_frozen_node_ends_in_a_deadline;
mod a_frozen_node_holds_up_nobody_else;
mod a_full_budget_still_searches_and_deletes;
mod a_killed_cluster_comes_back_whole;
mod a_leader_without_followers_refuses_writes;
mod a_linearizable_read_sees_every_acknowledged_write;
mod a_restart_changes_no_answer;
mod a_search_sees_one_version_of_each_id;
mod a_shard_node_joins_a_running_server;
mod a_shard_splits_while_it_is_used;
mod acknowledged_writes_survive_kill;
mod any_replica_answers_recent_reads;
mod bad_configuration_is_refused;
mod bad_input_is_refused_with_advice;
mod binary_vectors_come_back_bit_for_bit;
mod both_http_versions_share_a_port;
mod damaged_data_is_never_served;
#[cfg(target_os = "linux")]
mod every_history_is_linearizable;
mod growing_rows_reach_segments;
mod http_rules_are_kept;
mod imported_files_are_found_with_full_recall;
mod keys_guard_the_rights;
mod metrics_tell_what_happens;
mod nothing_is_said_before_it_is_known;
mod one_process_owns_a_data_directory;
mod overload_is_shed;
mod readiness_means_being_in_a_cluster;
mod search_equals_the_oracle;
mod the_api_documents_itself;
mod the_last_write_of_an_id_wins;
mod the_published_examples_run_unchanged;
mod three_nodes_become_six_and_three_again;
#[cfg(target_os = "linux")]
mod trouble_with_files_passes;
mod unreachable_shards_are_named;
mod vectors_come_back_bit_for_bit;
