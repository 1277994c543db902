"""Which tests hold each row of the hostile list that is about files, texts, ratings, pages and much data."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
HELD: dict[str, tuple[str, ...]] = {
    "E4": (
        "web/test_hostile_text.py::test_odd_text_passes_without_damage",
        "web/test_hostile_text.py::test_bytes_that_are_no_text_come_back_as_they_were",
        "report/test_hostile.py::test_hostile_text_is_inert_everywhere",
        "core/test_plain.py::test_lone_surrogates_and_nul_round_trip",
        "cli/test_cli.py::test_hostile_text_never_reaches_the_terminal",
    ),
    "F1": (
        "prefer/test_ratings.py::test_items_never_compared_and_disconnected_graphs_are_shown_as_not_comparable",
        "prefer/test_ratings.py::test_no_votes_give_equal_ratings_with_the_prior_s_width",
        "hosting/test_rows.py::test_f1_nothing_compared_one_item_one_alone_and_groups_apart",
        "web/test_hostile_votes.py::test_too_little_to_compare",
    ),
    "F2": (
        "prefer/test_ratings.py::test_an_item_that_always_wins_is_finite_with_a_wide_interval",
        "hosting/test_rows.py::test_f2_what_always_wins_has_a_finite_rating_and_a_wide_interval",
        "web/test_hostile_votes.py::test_one_that_always_wins_and_a_cycle",
    ),
    "F3": (
        "prefer/test_ratings.py::test_only_ties_give_equal_ratings",
        "prefer/test_ratings.py::test_only_skips_are_no_votes",
        "hosting/test_rows.py::test_f3_only_one_word_leaves_all_alike",
        "web/test_hostile_votes.py::test_nobody_prefers_anything",
    ),
    "F4": (
        "prefer/test_votes.py::test_malformed_votes_are_refused",
        "prefer/test_votes.py::test_of_one_annotator_the_last_vote_on_a_pair_counts",
        "hosting/test_rows.py::test_f4_the_same_pair_comes_once_to_each_and_a_retracted_choice_does_not_count",
        "web/test_hostile_votes.py::test_what_cannot_be_compared_is_refused",
    ),
    "F5": (
        "prefer/test_votes.py::test_a_burst_of_one_voter_weighs_no_more_than_the_cap",
        "prefer/test_agreement.py::test_bots_are_named_and_honest_annotators_are_not",
        "hosting/test_trust.py::test_bots_are_flagged_and_weigh_nothing",
        "hosting/test_trust.py::test_a_flood_weighs_no_more_than_all_the_others",
    ),
    "F6": (
        "prefer/test_ratings.py::test_a_cycle_gives_equal_ratings",
        "hosting/test_rows.py::test_f6_a_cycle_converges_to_equal_ratings",
        "web/test_hostile_votes.py::test_one_that_always_wins_and_a_cycle",
    ),
    "F7": (
        "prefer/test_votes.py::test_senseless_weights_are_refused_with_their_row",
        "prefer/test_pairs.py::test_numbers_out_of_range_are_refused",
        "web/test_hostile_votes.py::test_what_cannot_be_compared_is_refused",
    ),
    "F8": (
        "prefer/test_votes.py::test_names_keep_their_exact_text_and_their_order",
        "prefer/test_ratings.py::test_ten_thousand_items_with_a_vote_each",
        "hosting/test_rows.py::test_f8_names_that_look_alike_are_different_and_many_are_quick",
        "web/test_hostile_votes.py::test_names_that_look_alike_are_not_the_same",
        "web/test_hostile_votes.py::test_ten_thousand_systems_with_a_vote_or_none",
    ),
    "F9": (
        "hosting/test_rows.py::test_f9_what_was_exported_stays_told_when_a_choice_is_taken_back",
        "web/test_hostile_votes.py::test_what_was_taken_back_stays_in_what_was_exported",
    ),
    "F10": (
        "hosting/test_rows.py::test_f10_any_mix_of_tabs_clicks_and_clocks_is_one_choice",
        "hosting/test_rows.py::test_f10_a_clock_that_is_wrong_changes_no_choice",
        "web/test_hostile_votes.py::test_two_tabs_double_clicks_and_going_back",
        "web/test_hostile_votes.py::test_a_voter_that_is_shut_out_votes_no_more",
    ),
    **{
        f"G{number}": (
            "hosting/files/test_hostile_files.py::test_a_hostile_file_is_met_with_the_right_words",
            "hosting/files/test_hostile_files.py::test_rows_have_ids_of_their_own_and_cover_the_list",
            "hosting/files/test_fuzz.py::test_damage_is_read_or_refused",
        )
        for number in range(1, 9)
    },
    "G9": (
        "interop/logs/test_logs.py::test_a_real_log_of_inspect_gives_the_same_means",
        "interop/logs/test_logs.py::test_a_log_of_another_version_is_read_as_far_as_it_goes",
        "interop/logs/test_logs.py::test_a_value_is_what_inspect_makes_of_it_or_unknown",
        "interop/logs/test_logs.py::test_a_zip_without_its_end_gives_what_stands_whole",
        "interop/logs/test_logs.py::test_lines_that_are_cut_off_or_no_samples_are_named",
        "interop/logs/test_logs.py::test_whatever_stands_in_a_field_nothing_breaks",
    ),
    "G10": (
        "worlds/test_replay.py::test_what_does_not_hold_is_named_with_its_step",
        "worlds/test_replay.py::test_actions_after_the_end_are_found",
        "worlds/test_replay.py::test_montezuma_replays_and_other_roms_and_settings_do_not",
        "worlds/test_replay.py::test_what_is_no_trajectory_is_refused",
    ),
    "I11": (
        "benchmarks/test_p11.py::test_reading_costs_the_same_whatever_else_was_handed_in",
        "web/test_readings.py::test_a_page_does_not_wait_for_a_long_reading_and_is_told_when_it_is_there",
        "report/test_edges.py::test_ten_thousand_attempts_make_a_small_page_soon",
    ),
    "J1": (
        "web/test_hostile_text.py::test_what_would_run_is_only_read",
        "web/test_hostile_browser.py::test_no_text_runs_loads_or_breaks_anything",
        "web/test_guard.py::test_pages_hold_nothing_that_the_policy_would_stop",
        "web/test_pages.py::test_a_file_name_is_never_a_path_nor_a_header",
    ),
    "J2": (
        "web/test_hostile_rows.py::test_no_change_without_a_token_of_this_session_and_page",
        "web/test_hostile_rows.py::test_looking_changes_nothing",
        "web/test_guard.py::test_a_name_that_somebody_pointed_at_us_is_refused",
        "web/test_guard.py::test_another_site_changes_nothing_on_a_machine_of_ones_own",
    ),
    "J3": (
        "web/test_hostile_rows.py::test_what_belongs_to_others_is_not_there",
        "web/test_hostile_rows.py::test_what_is_revoked_is_worth_nothing",
        "web/test_pages.py::test_every_role_on_every_page",
        "web/test_guard.py::test_signing_out_ends_the_session_everywhere",
        "hosting/test_may.py::test_nobody_but_organisers_touches_another_team_s_submission",
    ),
    "J4": (
        "web/test_hostile_rows.py::test_strange_addresses_are_nowhere",
        "web/test_guard.py::test_strange_paths_are_nowhere",
        "hosting/files/test_hostile_files.py::test_a_hostile_file_is_met_with_the_right_words",
    ),
    "J5": (
        "web/test_hostile_wire.py::test_a_slow_client_is_let_go",
        "web/test_hostile_wire.py::test_what_is_too_much_is_cut_off",
        "web/test_hostile_wire.py::test_floods_of_fields_are_refused",
        "web/test_hostile_wire.py::test_of_a_parameter_that_comes_twice_the_last_one_counts",
        "web/test_guard.py::test_a_body_without_an_end_is_cut_off",
    ),
    "J6": (
        "hosting/test_limits.py::test_threads_meet_the_daily_limit_exactly",
        "hosting/test_limits.py::test_processes_meet_the_daily_limit_exactly",
    ),
    "J7": (
        "web/test_hostile_rows.py::test_a_phase_that_closes_while_a_file_comes_takes_it_no_more",
        "web/test_hostile_rows.py::test_what_is_judged_is_cancelled_and_what_is_finished_is_judged_again",
        "hosting/test_rows.py::test_j7_whatever_happens_to_a_submission_in_whatever_order_it_ends",
        "hosting/test_worker.py::test_a_cancelled_submission_stops_its_worker",
    ),
    "J8": (
        "web/test_hostile_rows.py::test_sealed_scores_that_change_places_change_nothing_anywhere",
        "web/test_pages.py::test_a_sealed_score_is_on_no_page_and_in_no_answer",
        "hosting/test_may.py::test_nobody_sees_a_sealed_score_before_it_is_revealed",
        "hosting/test_contest.py::test_a_sealed_score_is_in_nothing_that_anybody_is_told",
        "hosting/test_rows.py::test_times_that_entrants_are_told_are_whole_seconds",
    ),
    "J9": ("hosting/test_rows.py::test_j9_a_thousand_probes_tell_no_label",),
    "J10": (
        "web/test_hostile_wire.py::test_a_token_counts_in_its_header_only_and_is_in_no_log",
        "web/test_guard.py::test_signing_in_sends_nobody_elsewhere",
        "web/test_guard.py::test_guessing_passwords_comes_to_an_end",
        "web/test_guard.py::test_a_session_from_before_signing_in_is_not_taken_over",
    ),
    "J11": (
        "web/test_hostile_wire.py::test_the_host_asks_no_address_that_somebody_gave",
        "web/test_hostile_wire.py::test_addresses_in_what_is_handed_in_are_text",
    ),
    "J12": (
        "web/test_hostile_browser.py::test_everything_works_without_scripts",
        "web/test_hostile_browser.py::test_no_text_runs_loads_or_breaks_anything",
        "web/test_hostile_rows.py::test_every_page_can_be_read_aloud",
        "hosting/test_log.py::test_the_second_of_two_who_edit_at_once_is_told",
    ),
    "J13": (
        "web/test_pages.py::test_a_board_of_no_rows_one_row_and_very_many",
        "hosting/test_board.py::test_lines_that_are_moved_one_by_one_stand_where_sorting_puts_them",
        "hosting/test_contest.py::test_ties_share_a_rank_and_a_group",
    ),
    "J14": (
        "web/test_readings.py::test_a_thousand_attempts_are_one_event",
        "web/test_pages.py::test_live_pages_are_told_what_changed_and_no_more",
    ),
}
"""Rows of the list, and the tests that hold them."""


def names(letter: str, last: int) -> set[str]:
    return {f"{letter}{number}" for number in range(1, last + 1)}


@functools.cache
def named_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_row_is_held_or_named() -> None:
    wanted = {"E4", "I11"} | names("F", 10) | names("G", 10) | names("J", 14)
    assert HELD.keys() == wanted


@pytest.mark.parametrize("row", HELD)
def test_the_tests_of_a_row_are_there(row: str) -> None:
    for test in HELD[row]:
        file, _, name = test.partition("::")
        assert name in named_in(file), test
