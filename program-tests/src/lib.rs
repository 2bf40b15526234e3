//! End-to-end tests of a HAUL program: real processes, real sockets, real files, and faults of all of them.
//!
//! A transport's `tests/program.rs` is this:
//!
//! ```text
//! haul_program_tests::program_tests!(env!("CARGO_BIN_EXE_haul-std"));
//! ```

mod abuse;
mod accounts;
mod cases;
mod certificates;
#[cfg(test)]
mod changes;
mod crashes;
mod disk;
mod faults;
mod file_commands;
mod history;
mod hostile_servers;
mod hung_mount;
mod injection;
mod ledger;
mod load;
mod logins;
mod logs;
mod matrix;
mod network;

mod process;
pub mod proxy;
mod reports;
mod requirements;
mod running;
mod sends;
mod streams;
mod tracer;
mod trust;
mod unfinished;
mod usage;
mod walkthrough;

pub use abuse::*;
pub use accounts::*;
pub use cases::*;
pub use certificates::*;
pub use crashes::*;
pub use disk::{FILE_SYSTEMS, FileSystem};
pub use faults::*;
pub use file_commands::*;
pub use hostile_servers::hostile_servers;
pub use hung_mount::*;
pub use injection::*;
pub use logins::*;
pub use logs::*;
pub use matrix::{Row, matrix_names, what_people_do_works_on_other_file_systems};
pub use network::*;

pub use reports::*;
pub use sends::*;
pub use streams::*;
pub use trust::*;
pub use usage::*;
pub use walkthrough::*;

/// The rules of the protocol that these tests cover and no script can: rules for clients, and rules that take several
/// connections or a signal to check.
pub const COVERS: &[&str] = &[
    "R-CONN-2",
    "R-CONN-7",
    "R-UP-5",
    "R-OPEN-1",
    "R-ERR-4",
    "R-CLIENT-1",
    "R-CLIENT-2",
    "R-CLIENT-3",
    "R-CLIENT-4",
    "R-CLIENT-5",
    "R-CLIENT-6",
    "R-CLIENT-7",
    "R-GROW-2",
];

/// Makes a test of each check, for the program at this path.
#[macro_export]
macro_rules! program_tests {
    ($path:expr) => {
        $crate::program_tests! {
            $path;
            the_walkthrough_is_what_happens
            files_of_odd_names_come_back_identical
            files_of_every_size_come_back_identical
            an_existing_target_is_refused_unless_forced
            an_existing_name_on_the_server_is_refused_when_told
            what_is_not_there_is_not_found
            directories_come_back_identical
            one_connection_of_each_address_is_enough
            some_of_several_is_partial
            a_wrong_command_line_is_one_line
            an_address_that_is_none_is_one_line
            a_server_that_is_not_there_is_one_line
            a_port_in_use_is_one_line
            a_directory_that_is_missing_is_one_line
            a_part_of_a_file
            streams_instead_of_files
            output_for_programs
            a_shell_from_a_pipe
            a_switch_in_the_environment_takes_what_people_write
            a_closed_stdout_is_no_crash
            a_closed_stream_is_an_error_before_anything_is_done
            a_stream_that_is_not_used_may_be_closed
            an_empty_variable_is_an_unset_one
            names_are_what_they_look_like
            a_shell_outlives_a_restart_of_the_server
            a_server_listens_wherever_it_is_told_to
            a_silent_server_is_given_up
            a_client_ends_with_the_code_of_its_signal
            accounts_are_where_the_environment_says
            accounts_of_another_user_are_refused
            a_password_is_typed_and_not_shown
            a_session_typed_by_hand
            more_clients_than_places
            uploads_that_create_one_name
            a_signal_lets_transfers_end
            a_killed_server_leaves_no_torn_file
            a_failing_fsync_is_final
            an_unconfirmed_name_is_told
            a_full_disk_publishes_nothing
            a_file_size_limit_is_outlived
            a_failing_send_is_told_at_once
            acknowledged_uploads_survive_kills
            acknowledged_uploads_survive_power_cuts
            a_power_cut_without_syncs_is_seen
            failing_system_calls_are_told_and_outlived
            cut_connections_leave_nothing
            flipped_bits_and_truncations_are_detected
            an_interrupted_client_leaves_nothing
            a_full_share_takes_what_fits
            a_quota_is_no_space
            a_full_disk_leaves_nothing_of_a_download
            a_server_without_descriptors_recovers
            a_client_at_its_limits_leaves_nothing
            a_bad_wire_is_borne
            a_silent_peer_is_looked_for
            a_hung_mount_is_nobody_elses_matter
            a_signal_under_load_loses_nothing
            a_transfer_that_does_not_end_is_cut_after_the_grace
            a_server_starts_again_at_once
            a_directory_that_cannot_be_written_is_told
            a_server_that_only_reads_writes_nothing
            commands_whose_replies_are_not_read_are_bounded
            downloads_that_are_not_read_are_bounded
            chunks_of_one_byte_are_taken
            a_refusal_is_read_while_sending
            dripping_clients_are_cut_off
            a_want_of_descriptors_is_outlived
            a_flood_of_connections_is_told_busy
            threads_that_cannot_start_are_outlived
            transfers_fit_into_little_memory
            abandoned_uploads_leave_nothing
            a_long_listing_that_changes_is_whole
            a_log_that_nobody_reads_blocks_nobody
            lines_that_were_dropped_are_counted
            a_log_that_cannot_be_written_is_done_without
            a_request_is_one_line_of_the_log
            the_time_of_a_malformed_line_is_its_own
            one_client_does_not_fill_the_log
            what_people_do_works_on_other_file_systems
            sparse_files_stay_sparse
            programs_stay_executable
            an_announced_size_takes_no_room_from_others
            names_that_cannot_be_sent_are_named
            paths_that_are_too_long_are_named
            a_deep_tree_is_listed_with_few_descriptors
            a_directory_that_cannot_be_listed_is_named
            a_dead_address_does_not_keep_the_others_waiting
            a_server_listens_on_each_address_of_a_name
            zones_are_taken_in_both_forms
            times_that_cannot_be_set_fail_no_transfer
            a_client_without_openat2_works
            a_file_that_cannot_be_spliced_is_copied
            uploads_go_below_mounts
            a_drop_box_takes_files
            a_share_that_goes_away_is_noticed
            the_log_says_why_something_was_denied
            each_signal_lets_a_client_clean_up
            a_client_that_waits_for_a_pipe_says_that_it_was_interrupted
            a_stopped_client_goes_on
            files_without_a_size_are_sent_to_their_end
            a_growing_file_is_sent_up_to_the_size_that_it_had
            a_file_whose_times_come_late_is_sent
            what_put_leaves_out_of_a_tree_is_named
            a_tree_that_holds_its_own_copy_is_sent_once
            a_mount_that_writes_late_is_read_and_written
            targets_that_are_no_files_take_the_bytes
            a_target_without_links_takes_downloads
            a_mounted_file_is_refused_with_the_reason
            names_that_collide_on_the_target_are_told
            a_shell_connects_again_after_an_idle_time
            a_batch_goes_on_after_a_restart
            a_server_that_never_greets_is_given_up
            a_server_that_does_not_say_goodbye_is_left
            a_listing_without_end_takes_no_memory
            memory_does_not_grow_with_the_tree
            odd_names_are_moved_copied_and_deleted
            a_tree_is_deleted_and_no_link_is_followed
            what_rm_cannot_delete_is_named
            a_wrong_change_is_one_line
            names_go_into_directories
            a_check_finds_what_differs
            changes_that_are_not_allowed_are_refused
            a_deletion_goes_on_after_a_restart
            a_shell_changes_things_where_it_is
            a_new_server_is_refused_without_a_terminal
            a_person_is_asked_about_a_new_server_once
            a_swapped_key_is_final
            the_wrong_scheme_is_told
            a_server_keeps_its_key_or_does_not_start
            a_client_keeps_its_key_or_says_why
            a_key_that_cannot_be_kept_is_told
            state_is_not_served
            nobody_opens_a_server_by_accident
            a_certificate_makes_a_server_known
            a_known_key_is_what_counts
            a_certificate_that_does_not_fit_its_key_is_told
            the_first_minute_of_a_new_user
            nobody_is_served_without_an_account
            a_password_is_asked_for_and_not_kept
            a_wrong_server_gets_no_secret
            hostile_servers
        }
    };
    ($path:expr; $($case:ident)+) => {
        $(#[test]
        fn $case() {
            $crate::$case(::std::path::Path::new($path));
        })+
    };
}
