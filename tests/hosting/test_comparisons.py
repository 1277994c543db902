"""People compare by keyboard: what they see, what is recorded, what it comes to."""

import itertools
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from hosting_helpers import ADMIN, Clock, person

from guerdon import Blob
from guerdon.hosting import Host, HostingError, Item, NotAllowedError, NotFoundError, Outcome, Role, ShownPair
from guerdon.prefer import FIRST, read


@pytest.fixture(autouse=True)
def same_names_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn follows from the names of the project and the annotators."""
    for module in ("people", "comparisons"):
        numbers = itertools.count()
        monkeypatch.setattr(f"guerdon.hosting.{module}.new_id", lambda n=numbers, m=module: f"{m}-{next(n)}")


STRENGTH = {"ant": 0, "bee": 1, "cat": 2, "dog": 3}


def items(prompts: int = 10) -> list[Item]:
    return [
        Item(f"{name}-{k}", f"an answer of quality {value}", prompt=f"question {k}", system=name)
        for k in range(prompts)
        for name, value in STRENGTH.items()
    ]


def project(host: Host, prompts: int = 10, **settings: float | str) -> str:
    host.comparisons.create(ADMIN, "pets", "Pets", **settings)  # type: ignore[arg-type]
    assert host.comparisons.add(ADMIN, "pets", items(prompts)) == 4 * prompts
    return "pets"


def better(pair: ShownPair) -> Outcome:
    """An annotator who sees only what is shown."""
    one, two = (int(str(side.content)[-1]) for side in (pair.first, pair.second))
    return Outcome.FIRST if one > two else Outcome.SECOND if two > one else Outcome.TIE


def test_twenty_comparisons_order_the_systems(live: Host, tmp_path: Path) -> None:
    slug, ann = project(live), person(live, "Ann", Role.ANNOTATOR)
    for number in range(20):
        pair = live.comparisons.next_pair(ann, slug)
        assert pair is not None
        assert pair.number == number
        live.comparisons.choose(ann, pair.id, better(pair), pair.version)
    standing = live.comparisons.standing(ann, slug)
    assert [row.name for row in standing.ratings] == ["dog", "cat", "bee", "ant"]
    assert (standing.answered, standing.items, standing.annotators[0].answered) == (20, 40, 20)
    left_out = live.comparisons.export(ADMIN, slug, tmp_path / "pairs.jsonl")
    rows = read(tmp_path / "pairs.jsonl").rows
    assert (len(rows), left_out) == (20, 0)
    assert (rows.choice == FIRST).all()
    assert all(int(str(a)[-1]) > int(str(b)[-1]) for a, b in zip(rows.first, rows.second, strict=True))
    again = Host.open(live.ledger.url, files=tmp_path / "files")
    assert again.comparisons.standing(ADMIN, slug) == standing
    again.close()


def test_who_made_what_is_not_shown(host: Host) -> None:
    slug, ann = project(host), person(host, "Ann", Role.ANNOTATOR)
    pairs = host.comparisons.next_pairs(ann, slug, 5)
    assert len({pair.id for pair in pairs}) == 5
    assert not any(name in repr(pair) for pair in pairs for name in STRENGTH)
    assert host.comparisons.next_pairs(ann, slug, 5) == pairs


def test_sides_are_drawn_at_random_and_recorded(host: Host) -> None:
    slug, ann = project(host, prompts=40), person(host, "Ann", Role.ANNOTATOR)
    left = Counter[bool]()
    for _ in range(60):
        pair = host.comparisons.next_pair(ann, slug)
        assert pair is not None
        host.comparisons.choose(ann, pair.id, better(pair))
        left[better(pair) is Outcome.FIRST] += 1
    assert 15 <= left[True] <= 45
    rows = host.comparisons.preferences(ADMIN, slug)
    assert sum(rows.choice == FIRST) == left[True]
    asked = [frozenset(pair) for pair in zip(rows.columns["system_first"], rows.columns["system_second"], rows.prompt)]
    assert len(set(asked)) == 60  # nobody is asked the same twice


def test_the_same_click_twice_is_one_choice_and_undo_brings_it_back(host: Host) -> None:
    slug, ann = project(host), person(host, "Ann", Role.ANNOTATOR)
    first = host.comparisons.next_pair(ann, slug)
    assert first
    for word in ("first", "first", "second"):  # a double click, and a late one from another tab
        host.comparisons.choose(ann, first.id, word, first.version)
    assert host.comparisons.standing(ann, slug).answered == 1
    second = host.comparisons.next_pair(ann, slug)
    assert second
    assert second.id != first.id
    back = host.comparisons.undo(ann, slug, first.id)
    assert back is not None
    assert (back.id, back.version) == (first.id, 1)
    assert host.comparisons.undo(ann, slug, first.id) is None
    assert host.comparisons.standing(ann, slug).answered == 0
    assert host.comparisons.next_pair(ann, slug) == back
    host.comparisons.choose(ann, first.id, "first", 0)  # an old page
    assert host.comparisons.standing(ann, slug).answered == 0
    host.comparisons.choose(ann, first.id, "second", 1)
    assert [str(each) for each in host.comparisons.preferences(ADMIN, slug).columns["outcome"]] == ["second"]
    kinds = host.store.rows("SELECT kind, outcome FROM hosting_choices ORDER BY seq")
    assert kinds == [("choice", "first"), ("undo", ""), ("choice", "second")]


def test_what_stands_of_a_question_is_told_to_whom_it_was_put(live: Host) -> None:
    slug, ann, bea = project(live), person(live, "Ann", Role.ANNOTATOR), person(live, "Bea", Role.ANNOTATOR)
    pair = live.comparisons.next_pair(ann, slug)
    assert pair is not None
    told = [live.comparisons.said(ann, pair.id)]
    live.comparisons.choose(ann, pair.id, "tie")
    told.append(live.comparisons.said(ann, pair.id))
    live.comparisons.undo(ann, slug)
    told.append(live.comparisons.said(ann, pair.id))
    assert told == [(None, 0), ("tie", 0), (None, 1)]
    for who, name in ((bea, pair.id), (ADMIN, pair.id), (ann, "x\0y")):
        with pytest.raises(NotFoundError):
            live.comparisons.said(who, name)


def test_two_tabs_get_the_same_pair(live: Host) -> None:
    slug, ann = project(live), person(live, "Ann", Role.ANNOTATOR)
    got: list[str] = []
    start = threading.Barrier(6)

    def tab() -> None:
        start.wait()
        pair = live.comparisons.next_pair(ann, slug)
        assert pair
        got.append(pair.id)

    threads = [threading.Thread(target=tab) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    assert len(set(got)) == 1


def test_gold_questions_measure_an_annotator(host: Host) -> None:
    slug = project(host, gold_share=0.5)
    for k in range(10):
        host.comparisons.add_gold(ADMIN, slug, f"dog-{k}", f"ant-{k}", "first")
    good, bad = person(host, "Good", Role.ANNOTATOR), person(host, "Bad", Role.ANNOTATOR)
    for _ in range(20):
        for actor in (good, bad):
            pair = host.comparisons.next_pair(actor, slug)
            assert pair
            host.comparisons.choose(actor, pair.id, better(pair) if actor is good else "first")
    one, two = host.comparisons.standing(ADMIN, slug).annotators
    assert one.gold == one.right >= 5
    assert two.gold >= 5
    assert two.right < two.gold
    assert one.low is not None
    assert len(host.comparisons.preferences(ADMIN, slug)) == 40 - one.gold - two.gold
    assert "Good" not in repr(host.comparisons.standing(good, slug))


def test_agreement_of_those_who_agree_and_of_those_who_do_not(host: Host) -> None:
    slug = project(host, prompts=2, overlap=0.9)
    people = [person(host, name, Role.ANNOTATOR) for name in ("Ann", "Bob")]
    for actor in people:
        for _ in range(12):
            pair = host.comparisons.next_pair(actor, slug)
            assert pair
            host.comparisons.choose(actor, pair.id, better(pair))
        assert host.comparisons.next_pair(actor, slug) is None  # 2 prompts × 6 pairs: all done
    standing = host.comparisons.standing(ADMIN, slug)
    assert (standing.agreement, standing.shared) == (1.0, 12)
    cid = person(host, "Cid", Role.ANNOTATOR)
    while pair := host.comparisons.next_pair(cid, slug):
        host.comparisons.choose(cid, pair.id, {"first": "second", "second": "first"}[better(pair)])
    agreement = host.comparisons.standing(ADMIN, slug).agreement
    assert agreement is not None
    assert agreement < 0.2


def test_skips_ties_and_both_bad(host: Host, tmp_path: Path) -> None:
    slug, ann = project(host), person(host, "Ann", Role.ANNOTATOR)
    for word in ("skip", "tie", "both-bad", "skip"):
        pair = host.comparisons.next_pair(ann, slug)
        assert pair
        host.comparisons.choose(ann, pair.id, word)
    standing = host.comparisons.standing(ann, slug)
    assert standing.answered == 4
    assert {round(row.rating) for row in standing.ratings} == {1000}
    assert len(host.comparisons.preferences(ADMIN, slug)) == 2
    assert host.comparisons.export(ADMIN, slug, tmp_path / "a.jsonl") == 2  # ties cannot be told as chosen and rejected
    with pytest.raises(HostingError, match="what is said of a pair"):
        host.comparisons.choose(ann, "x", "left")


def test_files_are_shown_by_pair_and_side_only(host: Host) -> None:
    host.comparisons.create(ADMIN, "clips", "Clips")
    blobs = [host.ledger.blobs.put(bytes([k]) * 10, "image/png") for k in range(2)]
    host.comparisons.add(ADMIN, "clips", [Item(f"clip{k}", blob) for k, blob in enumerate(blobs)])
    ann, bob = person(host, "Ann", Role.ANNOTATOR), person(host, "Bob", Role.ANNOTATOR)
    pair = host.comparisons.next_pair(ann, "clips")
    assert pair
    assert (pair.first.media, pair.first.content) == ("image/png", None)
    both = {host.comparisons.media(ann, pair.id, side) for side in ("first", "second")}
    assert both == {(b"\x00" * 10, "image/png"), (b"\x01" * 10, "image/png")}
    with pytest.raises(NotFoundError):
        host.comparisons.media(bob, pair.id, "first")
    with pytest.raises(NotFoundError):
        host.comparisons.choose(bob, pair.id, "first")
    assert isinstance(blobs[0], Blob)


def test_projects_that_cannot_be(host: Host, clock: Clock) -> None:
    project(host)
    with pytest.raises(HostingError, match="is taken"):
        host.comparisons.create(ADMIN, "pets", "Pets")
    with pytest.raises(HostingError, match="a slug"):
        host.comparisons.create(ADMIN, "../x", "X")
    with pytest.raises(HostingError, match="rule for choosing"):
        host.comparisons.create(ADMIN, "x", "X", rule="best")
    with pytest.raises(HostingError, match="plain data"):
        host.comparisons.add(ADMIN, "pets", [Item("nan", float("nan"))])
    with pytest.raises(HostingError, match="items of the project"):
        host.comparisons.add_gold(ADMIN, "pets", "dog-0", "nobody", "first")
    entrant = person(host, "Eve", Role.ENTRANT)
    for call in (host.comparisons.next_pair, host.comparisons.standing, host.comparisons.preferences):
        with pytest.raises(NotAllowedError):
            call(entrant, "pets")
    assert host.comparisons.list(entrant) == []
    host.comparisons.create(ADMIN, "empty", "Empty")
    assert host.comparisons.next_pair(ADMIN, "empty") is None
    assert host.comparisons.standing(ADMIN, "empty").ratings == []


def test_many_items_come_in_seconds_and_twice_is_once(live: Host) -> None:
    live.comparisons.create(ADMIN, "many", "Many")
    many = [Item(f"i{k}", "text", prompt=f"p{k // 4}", system=f"s{k % 4}") for k in range(20_000)]
    begun = time.process_time()
    assert live.comparisons.add(ADMIN, "many", many) == 20_000
    assert time.process_time() - begun < 20
    assert live.comparisons.add(ADMIN, "many", many[:100]) == 0
    assert live.comparisons.next_pair(ADMIN, "many") is not None
