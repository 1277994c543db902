"""Rows of the list of hostile inputs that are about contests and comparisons: sealed labels, clocks, races, ratings."""

import itertools
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hosting_helpers import (
    ADMIN,
    FREE,
    Clock,
    Close,
    Numbers,
    OneFile,
    contest,
    entered,
    guess,
    judged,
    person,
)

from guerdon import Score
from guerdon.core.errors import LedgerError
from guerdon.core.reward import ANY
from guerdon.hosting import (
    Actor,
    Host,
    HostingError,
    Item,
    Limits,
    NotAllowedError,
    Phase,
    Role,
    ShownPair,
    State,
    Verdict,
    worker,
)
from guerdon.hosting.worker import Worker
from guerdon.testing.postgres import Server

# ── section 3: what scores tell ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Unbounded(Close):
    """A log-loss without a clip: one task can outweigh all others."""

    range = ANY


@dataclass(frozen=True, kw_only=True)
class LogLoss(Numbers):
    """Numbers judged without bounds."""

    name: ClassVar[str] = "logloss"

    @property
    def judge(self) -> Unbounded:
        return Unbounded()


def test_one_task_must_not_outweigh_the_others_where_a_mean_is_told(host: Host) -> None:
    with pytest.raises(HostingError, match=r"3 tasks, each scored from -inf to inf.*Clip"):
        contest(host, Phase("test", "test"), challenge=LogLoss())
    contest(host, Phase("open", "open"), Phase("final", "final"), challenge=LogLoss())


@pytest.mark.parametrize("probes", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_j9_a_thousand_probes_tell_no_label(host: Host, probes: int) -> None:
    """Probes of 40 labels: each flips one guess and keeps what seems better. The board never moves."""
    count = 40
    contest(host, Phase("test", "test", limits=FREE), challenge=Numbers(numbers=tuple(range(count))))
    ann = person(host, "Ann")
    labels = [(7 * k) % 3 > 0 for k in range(count)]
    guesses, released = [True] * count, list[float | None]()
    for probe in range(probes):
        tried = [*guesses]
        tried[probe % count] = not tried[probe % count]
        entered_as(host, ann, [float(a == b) for a, b in zip(tried, labels, strict=True)])
        released.append(host.board("numbers", "test", ann).rows[0].value)
        if len(released) > 1 and released[-1] != released[-2]:
            guesses = tried
    assert len(set(released)) <= 2
    assert guesses == [True] * count or sum(a != b for a, b in zip(guesses, [True] * count, strict=True)) <= 1
    assert host.board("numbers", "test", ann).rows[0].entries == probes  # and everybody sees how often it was tried


def entered_as(host: Host, actor: Actor, values: Sequence[float]) -> None:
    item = host.submissions.submit(actor, "numbers", "test", {f"test/{k}": 0 for k in range(len(values))})
    judged(host, item, *values)


def test_j8_numbers_of_a_sealed_phase_do_not_tell_who_is_ahead(host: Host) -> None:
    """Two hosts that differ in sealed scores only: same order, same counts, same words, for every role."""

    def said(host: Host, value: float) -> list[str]:
        contest(host, Phase("final", "final", limits=FREE), challenge=OneFile())
        actors = [person(host, name) for name in ("Zoe", "Ann")]
        for actor, own in zip(actors, (value, 1 - value), strict=True):
            item = host.submissions.submit(actor, "numbers", "final", b"1")
            judged(host, item, Score(own, {"accuracy": own}))
        board = [host.board("numbers", "final", actor) for actor in (*actors, ADMIN)]
        shown = [[(row.team_name, row.rank, row.value, row.at, row.entries) for row in each.rows] for each in board]
        scores = [item.score for item in host.submissions.list_for(ADMIN)]
        return [repr(shown), repr(scores), repr([each.judged for each in board])]

    with Host.open("sqlite://", clock=Clock()) as other:
        assert said(host, 0.9) == said(other, 0.1)


def test_times_that_entrants_are_told_are_whole_seconds(host: Host, clock: Clock) -> None:
    contest(host, Phase("final", "final", limits=FREE), challenge=OneFile())
    ann = person(host, "Ann")
    items = [host.submissions.submit(ann, "numbers", "final", b"1") for _ in range(2)]
    clock.now += 1.2345
    lease = host.queue.lease("w")
    assert lease
    clock.now += 3.4567
    assert host.queue.heartbeat(lease)
    clock.now += 0.5678
    view = host.queue.view(ann)
    told = [view.oldest, view.last_sign, *(line.age for line in view.items), view.items[0].since_heartbeat]
    assert all(value is not None and value == int(value) for value in told)
    beat = host.submissions.get(ann, items[0].id).heartbeat
    assert beat is not None
    assert beat == int(beat)


# ── J7 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_j7_a_phase_that_closes_while_a_file_comes_in_takes_it_no_more(
    live: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guerdon.hosting import submissions

    contest(live, Phase("open", "open", limits=FREE))
    ann, whole = person(live, "Ann"), submissions.answers_of

    def slowly(*given: Any) -> Any:
        live.contests.close(ADMIN, "numbers", "open")
        return whole(*given)

    monkeypatch.setattr(submissions, "answers_of", slowly)
    with pytest.raises(HostingError, match="it has just closed"):
        live.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    assert live.submissions.list_for(ADMIN) == []


def test_j7_what_is_queued_when_a_phase_closes_or_its_person_is_shut_out_is_still_judged(live: Host) -> None:
    contest(live, Phase("open", "open", limits=FREE))
    ann = person(live, "Ann")
    item = live.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    live.contests.close(ADMIN, "numbers", "open")
    live.people.disable(ADMIN, ann.person)
    judged(live, item, 0.5, 0.5, 0.5)
    assert live.submissions.get(ADMIN, item.id).state is State.DONE
    with pytest.raises(NotAllowedError):
        live.submissions.cancel(ann, item.id)


def test_j7_whatever_happens_to_a_submission_in_whatever_order_it_ends(host: Host) -> None:
    """Every order of cancel, retry, lease and a late verdict ends in a state from which retry leads to a verdict."""
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    for deeds in itertools.permutations(["cancel", "retry", "lease", "finish", "erase"], 4):
        item = host.submissions.submit(ADMIN, "numbers", "open", b"1")
        leases = []
        for deed in deeds:
            if deed == "cancel":
                host.submissions.cancel(ADMIN, item.id)
            elif deed == "retry":
                host.submissions.retry(ADMIN, item.id)
            elif deed == "lease":
                leases.append(host.queue.lease("w"))
            elif deed == "finish" and leases and leases[-1]:
                host.queue.finish(leases[-1], Verdict([Score(0.5)], "judge"))
        host.submissions.retry(ADMIN, item.id)
        lease = host.queue.lease("w")
        assert lease is not None, deeds
        assert lease.submission == item.id, deeds
        assert host.queue.finish(lease, Verdict([Score(0.5)], "judge")) == "counted"
        assert host.queue.lease("w") is None


# ── I6, I7 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_i7_the_queue_keeps_its_order_when_the_clock_is_set_back(host: Host, clock: Clock) -> None:
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    items = []
    for jump in (0.0, -3600.0, 1800.0, -86400.0, 0.0):
        clock.now += jump
        items.append(host.submissions.submit(ADMIN, "numbers", "open", b"1").id)
    host.submissions.cancel(ADMIN, items[1])
    host.submissions.retry(ADMIN, items[1])  # anew, so behind the others
    leased = [host.queue.lease("w") for _ in items]
    assert [lease and lease.submission for lease in leased] == [items[k] for k in (0, 2, 3, 4, 1)]


@pytest.mark.parametrize("jump", [86400.0, -3600.0])
def test_i7_a_clock_that_jumps_gives_up_leases_and_counts_once(host: Host, clock: Clock, jump: float) -> None:
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    item = host.submissions.submit(ADMIN, "numbers", "open", b"1")
    late = host.queue.lease("one")
    assert late
    clock.now += jump
    lease = host.queue.lease("two")
    assert lease
    assert lease.submission == item.id
    assert host.queue.finish(late, Verdict([Score(0.1)], "judge")) == "superseded"
    assert host.queue.finish(lease, Verdict([Score(0.9)], "judge")) == "counted"
    assert [row.value for row in host.board("numbers", "open", ADMIN).rows] == [0.9]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "UTC"])
def test_i7_days_and_months_begin_at_midnight_utc_wherever_the_host_is(
    host: Host, clock: Clock, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        clock.now = 1_806_105_600.0 - 1  # 2027-03-27 00:00 UTC, less a second
        contest(host, Phase("open", "open", limits=Limits(per_day=1, per_month=9)))
        found = host.submissions.limits_left(person(host, "Ann"), "numbers")
        assert (found.next_day, found.next_month) == (1_806_105_600.0, 1_806_105_600.0 + 5 * 86400)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_i6_a_server_that_drops_every_connection_loses_nothing(postgres: Server, tmp_path: Path) -> None:
    with Host.open(postgres.schema(), files=tmp_path / "files") as host:
        contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
        ann = person(host, "Ann")
        for k in range(3):
            postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            item = host.submissions.submit(ann, "numbers", "open", b"1")
            postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            judged(host, item, 0.25 * k)
        assert [(row.value, row.entries) for row in host.board("numbers", "open", ann).rows] == [(0.5, 3)]


def test_i6_a_worker_waits_for_a_data_base_that_is_away(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "AWAY_S", 0.001)
    contest(host, Phase("open", "open", limits=FREE))
    host.submissions.submit(ADMIN, "numbers", "open", guess("open", 1, 2, 3))
    whole, away = host.queue.lease, itertools.count()

    def lease(*given: Any) -> Any:
        if next(away) < 5:
            raise LedgerError("a data base", "it is away", "Wait")
        return whole(*given)

    monkeypatch.setattr(host.queue, "lease", lease)
    assert Worker(host).run(drain=True) == 1
    monkeypatch.setattr(worker, "PATIENCE", 2)
    away = itertools.count()
    with pytest.raises(LedgerError, match="is away"):
        Worker(host).run(drain=True)


# ── F: comparisons ──────────────────────────────────────────────────────────────────────────────────────────────────


def compared(host: Host, systems: Sequence[str], groups: int = 6, **settings: Any) -> None:
    host.comparisons.create(ADMIN, "pets", "Pets", **settings)
    rows = [Item(f"{k}/{name}", name, f"q{k}", name) for k in range(groups) for name in systems]
    host.comparisons.add(ADMIN, "pets", rows)


def answer(host: Host, actor: Actor, says: Callable[[ShownPair], str], most: int = 1000) -> int:
    for count in range(most):
        pair = host.comparisons.next_pair(actor, "pets")
        if pair is None:
            return count
        host.comparisons.choose(actor, pair.id, says(pair), pair.version)
    return most


def prefers(*order: str) -> Callable[[ShownPair], str]:
    """Says which side comes earlier in an order."""

    def says(pair: ShownPair) -> str:
        one, two = (order.index(str(side.content)) for side in (pair.first, pair.second))
        return "first" if one < two else "second"

    return says


def ratings(host: Host) -> dict[str, tuple[float, float]]:
    """Rating and width of its interval, by name."""
    return {row.name: (row.rating, row.high - row.low) for row in host.comparisons.standing(ADMIN, "pets").ratings}


def test_f1_nothing_compared_one_item_one_alone_and_groups_apart(host: Host) -> None:
    host.comparisons.create(ADMIN, "one", "One")
    host.comparisons.add(ADMIN, "one", [Item("only", "text")])
    assert host.comparisons.next_pair(ADMIN, "one") is None
    assert [row.name for row in host.comparisons.standing(ADMIN, "one").ratings] == ["only"]
    host.comparisons.create(ADMIN, "pets", "Pets")
    pairs = [("p", "a"), ("p", "b"), ("q", "c"), ("q", "d"), ("r", "alone")]
    host.comparisons.add(ADMIN, "pets", [Item(f"{group}-{name}", name, group, name) for group, name in pairs])
    assert answer(host, person(host, "Ann", Role.ANNOTATOR), prefers("a", "b", "c", "d")) == 2
    found = ratings(host)
    assert all(math.isfinite(rating) and math.isfinite(width) and width > 1000 for rating, width in found.values())
    assert found["a"][0] > found["b"][0]
    assert "alone" in found


def test_f2_what_always_wins_has_a_finite_rating_and_a_wide_interval(host: Host) -> None:
    compared(host, "abc")
    answer(host, person(host, "Ann", Role.ANNOTATOR), prefers("a", "b", "c"))
    found = ratings(host)
    assert found["a"][0] > found["b"][0] > found["c"][0]
    assert all(math.isfinite(rating) and 0 < width < 1e5 for rating, width in found.values())
    assert found["a"][1] > 500


@pytest.mark.parametrize("word", ["tie", "skip", "both-bad"])
def test_f3_only_one_word_leaves_all_alike(host: Host, word: str) -> None:
    compared(host, "abc")
    answer(host, person(host, "Ann", Role.ANNOTATOR), lambda pair: word)
    assert len({round(rating, 6) for rating, _ in ratings(host).values()}) == 1
    assert host.comparisons.review(ADMIN, "pets").voters[0].flags == ()


def test_f4_the_same_pair_comes_once_to_each_and_a_retracted_choice_does_not_count(host: Host) -> None:
    compared(host, "ab", groups=3)
    ann, bob = (person(host, name, Role.ANNOTATOR) for name in ("Ann", "Bob"))
    assert answer(host, ann, prefers("a", "b")) == 3
    assert answer(host, bob, prefers("b", "a")) == 3  # contradicts
    assert {round(rating) for rating, _ in ratings(host).values()} == {1000}
    for _ in range(3):
        host.comparisons.undo(bob, "pets")
    assert host.comparisons.undo(bob, "pets") is None
    assert ratings(host)["a"][0] > ratings(host)["b"][0]


def test_f6_a_cycle_converges_to_equal_ratings(host: Host) -> None:
    compared(host, "abc", rule="random")
    beats = {("a", "b"), ("b", "c"), ("c", "a")}

    def says(pair: ShownPair) -> str:
        return "first" if (str(pair.first.content), str(pair.second.content)) in beats else "second"

    assert answer(host, person(host, "Ann", Role.ANNOTATOR), says) == 18
    assert [round(rating, 3) for rating, _ in ratings(host).values()] == [1000.0] * 3


def test_f8_names_that_look_alike_are_different_and_many_are_quick(host: Host) -> None:
    names = ["gpt", "GPT", " gpt", "gpt ", "gрt", "g\u200bpt", "", "gpt\n", "ｇｐｔ"]
    host.comparisons.create(ADMIN, "pets", "Pets")
    host.comparisons.add(ADMIN, "pets", [Item(f"i{k}", str(k), "q", name) for k, name in enumerate(names)])
    found = {row.name for row in host.comparisons.standing(ADMIN, "pets").ratings}
    assert found == {*(name for name in names if name), "i6"}  # one without a system is rated itself
    host.comparisons.create(ADMIN, "many", "Many")
    host.comparisons.add(ADMIN, "many", [Item(f"m{k}", "x", f"q{k // 2}") for k in range(10_000)])
    ann = person(host, "Ann", Role.ANNOTATOR)
    for _ in range(20):
        pair = host.comparisons.next_pair(ann, "many")
        assert pair
        host.comparisons.choose(ann, pair.id, "first")
    assert host.comparisons.standing(ann, "many").answered == 20


def test_f9_what_was_exported_stays_told_when_a_choice_is_taken_back(host: Host, tmp_path: Path) -> None:
    compared(host, "ab", groups=1)
    ann = person(host, "Ann", Role.ANNOTATOR)
    answer(host, ann, prefers("a", "b"))
    host.comparisons.export(ADMIN, "pets", tmp_path / "before.jsonl")
    back = host.comparisons.undo(ann, "pets")
    assert back
    host.comparisons.choose(ann, back.id, prefers("b", "a")(back), back.version)
    host.comparisons.export(ADMIN, "pets", tmp_path / "after.jsonl")
    before, after = ((tmp_path / f"{name}.jsonl").read_text() for name in ("before", "after"))
    assert '"chosen":"a"' in before.replace(" ", "")
    assert '"chosen":"b"' in after.replace(" ", "")
    rows = host.store.rows("SELECT kind, version FROM hosting_choices ORDER BY seq")
    assert rows == [("choice", 0), ("undo", 0), ("choice", 1)]


def test_f10_any_mix_of_tabs_clicks_and_clocks_is_one_choice(live: Host) -> None:
    compared(live, "ab", groups=1)
    ann = person(live, "Ann", Role.ANNOTATOR)
    pair = live.comparisons.next_pair(ann, "pets")
    assert pair
    start = threading.Barrier(12)

    def click(word: str) -> None:
        start.wait()
        live.comparisons.choose(ann, pair.id, word, pair.version)

    threads = [threading.Thread(target=click, args=(word,)) for word in ["first", "second", "tie"] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert live.comparisons.standing(ann, "pets").answered == 1
    assert len(live.store.rows("SELECT 1 FROM hosting_choices")) == 1


def test_f10_a_clock_that_is_wrong_changes_no_choice(host: Host, clock: Clock) -> None:
    compared(host, "ab", groups=4, rule="random")
    ann = person(host, "Ann", Role.ANNOTATOR)
    for jump in (0.0, -86400.0, 1e6, -1e6):
        clock.now += jump
        pair = host.comparisons.next_pair(ann, "pets")
        assert pair
        host.comparisons.choose(ann, pair.id, prefers("a", "b")(pair), pair.version)
    assert host.comparisons.standing(ann, "pets").answered == 4
    back = host.comparisons.undo(ann, "pets")
    assert back is not None
    assert back.id == pair.id  # the last by order, whatever the clock said


def test_entries_behind_a_best_are_counted(host: Host) -> None:
    """The best of many is luck in part: everybody sees of how many."""
    contest(host, Phase("open", "open", limits=FREE))
    ann, bob = person(host, "Ann"), person(host, "Bob")
    for value in (0.1, 0.9, 0.3):
        entered(host, ann, "open", value, value, value)
    entered(host, bob, "open", 0.8, 0.8, 0.8)
    rows = host.board("numbers", "open", Actor.local()).rows
    assert [(row.team_name, row.entries) for row in rows] == [("Ann", 3), ("Bob", 1)]
