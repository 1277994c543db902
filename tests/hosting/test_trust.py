"""What annotators' votes weigh: against simulated annotators of known quality, and figures worked out by hand."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hosting_helpers import ADMIN, Clock, person

from guerdon.core.preference import Pair
from guerdon.core.reward import reward
from guerdon.core.task import Answer, Task
from guerdon.hosting import Actor, Host, HostingError, Item, NotAllowedError, Outcome, Role, ShownPair
from guerdon.hosting.trust import ENOUGH, Trust, basis, log_odds, surprises, trust_of, weighted
from guerdon.prefer import FIRST, BradleyTerry, PreferenceSet, Simulated, Votes, read
from guerdon.prefer.agreement import Accuracy
from guerdon.prefer.texts import Text
from guerdon.prefer.votes import POINTS

MODEL = BradleyTerry(errors="model")
LEVELS = {"ant": 0.0, "bee": 1.0, "cat": 2.0, "dog": 3.0}


@pytest.fixture(autouse=True)
def same_names_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn follows from the names of the project and the annotators."""
    for module in ("people", "comparisons"):
        numbers = itertools.count()
        monkeypatch.setattr(f"guerdon.hosting.{module}.new_id", lambda n=numbers, m=module: f"{m}-{next(n)}")


@reward(range=(0.0, 3.0))
def quality(answer: str) -> float:
    """The last figure of the text."""
    return float(answer.split()[-1])


def choices(annotator: Simulated, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """What a simulated annotator says of pairs of systems, each on a question of its own."""
    asked = [
        Pair(Task(f"t{k}"), Answer(f"t{k}", f"{k} {LEVELS[one]}"), Answer(f"t{k}", f"{k} {LEVELS[two]}"))
        for k, (one, two) in enumerate(pairs)
    ]
    words = {"left": "first", "right": "second", "tie": "tie"}
    return [words[str(choice.outcome)] for choice in annotator(asked)]


def voted(sayings: dict[str, list[str]], pairs: Sequence[tuple[str, str]]) -> Votes:
    rows = [(name, *pair, word) for name, words in sayings.items() for pair, word in zip(pairs, words, strict=True)]
    who, one, two, said = zip(*rows, strict=True)
    return Votes.of(one, two, said, annotators=who, names=list(LEVELS))


PAIRS = [pair for _ in range(8) for pair in itertools.permutations(LEVELS, 2)]
TURNED = {"first": "second", "second": "first", "tie": "tie"}


def test_a_weight_is_the_log_odds_of_being_right() -> None:
    assert log_odds(12, 12) == pytest.approx(math.log(0.92 / 0.08) / math.log(4))  # (12 + 6.4) / (12 + 8) = 0.92
    assert log_odds(3, 12) == 0.0  # below 0.5
    rights = [log_odds(right, 20) for right in range(21)]
    assert rights == sorted(rights)
    assert basis("auto", [Accuracy(4, ENOUGH - 1, 0, 1)], []) == "none"
    assert basis("auto", [Accuracy(4, ENOUGH, 0, 1), None], []) == "gold"
    assert basis("consensus", [], [["first", "first"]] * ENOUGH) == "consensus"
    assert basis("none", [Accuracy(4, 99, 0, 1)], []) == "none"


def test_weighted_votes_weigh_what_they_are_worth_together() -> None:
    votes = Votes.of(["a"] * 6, ["b"] * 6, ["first"] * 6, annotators=list("xxxyyy"))
    for own, each in (((1, 1), (1, 1)), ((1, 0), (1, 0)), ((2, 1), (2 * 9 / 15, 9 / 15)), ((5, 5), (1, 1))):
        trust = {"x": Trust(own[0]), "y": Trust(own[1])}
        assert weighted(votes, trust).weight.tolist() == pytest.approx([each[0]] * 3 + [each[1]] * 3)
    assert weighted(votes, {"x": Trust(0.0), "y": Trust(0.0)}).weight.tolist() == [0.0] * 6


def test_bots_are_flagged_and_weigh_nothing() -> None:
    rng = np.random.default_rng(0)
    honest = rng.integers(2, size=60).astype(float).tolist()
    by = ["honest"] * 60 + ["left"] * 60 + ["turns"] * 60 + ["wrong"] * 60
    points = [*honest, *[1.0] * 60, *[0.0, 1.0] * 30, *rng.integers(2, size=60).tolist()]
    gold = [Accuracy(18, 20, 0.7, 0.97), None, Accuracy(12, 20, 0.4, 0.8), Accuracy(2, 20, 0.03, 0.3)]
    names = ["honest", "left", "turns", "wrong"]
    found = trust_of(names, "auto", gold, [], by, points)
    assert {name: each.flags for name, each in found.items()} == {
        "honest": (), "left": ("one side",), "turns": ("alternating",), "wrong": ("gold",),
    }  # fmt: skip
    assert [found[name].weight > 0 for name in names] == [True, False, False, False]
    assert [each.weight for each in trust_of(names, "none", gold, [], by, points).values()] == [1.0] * 4


def test_a_flood_weighs_no_more_than_all_the_others() -> None:
    rng = np.random.default_rng(1)
    by = ["flood"] * 900 + ["ann"] * 20 + ["bob"] * 20
    found = trust_of(["flood", "ann", "bob"], "auto", [None] * 3, [], by, rng.integers(2, size=940).astype(float))
    assert found["flood"].flags == ("burst",)
    assert found["flood"].weight * 900 == pytest.approx(40)
    assert found["ann"] == Trust(1.0)


def test_votes_against_everybody_stand_out() -> None:
    honest = {f"h{k}": choices(Simulated(reward=quality, label=f"h{k}"), PAIRS) for k in range(5)}
    against = {"against": [TURNED[word] for word in choices(Simulated(reward=quality, label="x"), PAIRS)]}
    coin = {"coin": choices(Simulated(reward=quality, label="coin", scale=1e9), PAIRS)}
    found = surprises(voted({**honest, **against, **coin}, PAIRS), MODEL)
    assert found["against"] < -8
    assert found["coin"] < -3
    assert min(found[name] for name in honest) > -2
    assert sorted(found, key=found.__getitem__)[:2] == ["against", "coin"]


def test_agreement_tells_the_careful_from_the_careless() -> None:
    """Where nobody knows what is right: those who agree weigh more than who throws a coin."""
    careful = {f"c{k}": choices(Simulated(reward=quality, label=f"c{k}", scale=0.3), PAIRS) for k in range(3)}
    coin = choices(Simulated(reward=quality, label="coin", scale=1e9), PAIRS)
    sayings = {**careful, "coin": coin}
    table = list(zip(*sayings.values(), strict=True))
    by = [name for name, words in sayings.items() for _ in words]
    points = [POINTS[word] for words in sayings.values() for word in words]
    found = trust_of(list(sayings), "consensus", [None] * 4, table, by, points)
    assert found["coin"].weight < 0.3
    assert all(found[name].weight > 1.5 for name in careful)


# ── in a project ────────────────────────────────────────────────────────────────────────────────────────────────────


def project(host: Host, **settings: float | str) -> str:
    host.comparisons.create(ADMIN, "pets", "Pets", **settings)  # type: ignore[arg-type]
    rows = [Item(f"{name}-{k}", f"{k} {level}", prompt=f"q{k}", system=name) for k in range(30) for name, level in
            LEVELS.items()]  # fmt: skip
    host.comparisons.add(ADMIN, "pets", rows)
    for k in range(20, 30):
        host.comparisons.add_gold(ADMIN, "pets", f"dog-{k}", f"ant-{k}", "first")
    return "pets"


def right(pair: ShownPair) -> Outcome:
    one, two = (float(str(side.content).split()[-1]) for side in (pair.first, pair.second))
    return Outcome.FIRST if one > two else Outcome.SECOND if two > one else Outcome.TIE


def annotate(host: Host, actor: Actor, count: int, truthful: bool) -> None:
    for _ in range(count):
        pair = host.comparisons.next_pair(actor, "pets")
        assert pair
        word = right(pair).value
        host.comparisons.choose(actor, pair.id, word if truthful else TURNED[word])


def order(host: Host) -> list[str]:
    return [row.name for row in host.comparisons.standing(ADMIN, "pets").ratings]


def test_two_who_know_outweigh_three_who_say_the_opposite(host: Host, tmp_path: Path) -> None:
    slug = project(host, gold_share=0.4, overlap=0.0)
    for k in range(5):
        annotate(host, person(host, f"P{k}", Role.ANNOTATOR), 25, k < 2)
    assert host.comparisons.standing(ADMIN, slug).weighted == "gold"
    assert order(host) == ["dog", "cat", "bee", "ant"]
    review = host.comparisons.review(ADMIN, slug)
    assert [(voter.flags, voter.weight) for voter in review.voters[:3]] == [(("gold", "fast"), 0.0)] * 3
    assert [voter.weight > 1 for voter in review.voters[3:]] == [True, True]
    assert all(voter.gold > 3 and voter.answered == 25 for voter in review.voters)
    assert "P0" not in repr(review)
    left_out = host.comparisons.export(ADMIN, slug, tmp_path / "pairs.jsonl")
    rows = host.comparisons.preferences(ADMIN, slug)
    assert 0 < left_out == (rows.weight == 0).sum() < len(rows)
    assert all(float(str(a)[-3:]) > float(str(b)[-3:]) for a, b in decided(read(tmp_path / "pairs.jsonl").rows))
    changed = host.comparisons.weigh(ADMIN, slug, "none")
    assert changed.weights == "none"
    assert order(host) != ["dog", "cat", "bee", "ant"]  # three against two
    assert host.comparisons.standing(ADMIN, slug).weighted == "none"
    assert host.log(ADMIN, slug)[0].detail == {"weights": "none"}
    with pytest.raises(HostingError, match="how votes are weighted"):
        host.comparisons.weigh(ADMIN, slug, "most")


def decided(rows: PreferenceSet) -> list[tuple[Text, Text]]:
    """What was chosen and what was not."""
    return [
        (one, two) if choice == FIRST else (two, one)
        for one, two, choice in zip(rows.first, rows.second, rows.choice, strict=True)
    ]


def test_weights_wait_until_enough_gold_questions_are_answered(host: Host) -> None:
    slug = project(host, gold_share=0.0)
    annotate(host, person(host, "Ann", Role.ANNOTATOR), 12, True)
    assert host.comparisons.standing(ADMIN, slug).weighted == "none"
    assert [voter.weight for voter in host.comparisons.review(ADMIN, slug).voters] == [1.0]


def test_on_how_few_votes_the_first_rank_rests(host: Host) -> None:
    """Ten say a, seven say b: without three of the ten they are level."""
    host.comparisons.create(ADMIN, "two", "Two", weights="none", overlap=0.0)
    host.comparisons.add(ADMIN, "two", [Item(f"{name}{k}", name, f"q{k}", name) for k in range(17) for name in "ab"])
    ann, bob = (person(host, name, Role.ANNOTATOR) for name in ("Ann", "Bob"))
    wanted = "a" * 10 + "b" * 7
    for k, letter in enumerate(wanted):
        actor = ann if k < 13 else bob
        pair = host.comparisons.next_pair(actor, "two")
        assert pair
        host.comparisons.choose(actor, pair.id, "first" if pair.first.content == letter else "second")
    found = host.comparisons.review(ADMIN, "two").sensitivity
    assert found is not None
    assert (found.count, found.top, found.instead, sum(found.by.values())) == (3, "a", "b", 3)
    assert found.share == pytest.approx(3 / 17)
    assert len(found.by) == 1  # Ann gave all votes for a


def test_reviews_are_for_organisers_and_of_nothing_are_empty(host: Host) -> None:
    slug = project(host)
    review = host.comparisons.review(ADMIN, slug)
    assert (review.sensitivity, review.voters, review.weighted) == (None, [], "none")
    with pytest.raises(NotAllowedError):
        host.comparisons.review(person(host, "Ann", Role.ANNOTATOR), slug)
    host.comparisons.create(ADMIN, "empty", "Empty")
    assert host.comparisons.review(ADMIN, "empty").sensitivity is None


def test_who_chooses_faster_than_anybody_reads_is_listed(host: Host, clock: Clock) -> None:
    slug = project(host, gold_share=0.0, overlap=0.0)
    for name, seconds in (("Slow", 6.0), ("Fast", 0.25)):
        actor = person(host, name, Role.ANNOTATOR)
        for _ in range(24):
            clock.now += seconds
            annotate(host, actor, 1, True)
    fast, slow = host.comparisons.review(ADMIN, slug).voters
    assert (fast.flags, fast.pace, fast.weight) == (("fast",), 0.25, 1.0)
    assert (slow.flags, slow.pace) == ((), 6.0)
