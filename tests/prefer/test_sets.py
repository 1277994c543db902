import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.core.preference import Choice, Pair
from guerdon.core.score import Fault, FaultKind
from guerdon.core.task import Answer, Task
from guerdon.ledger import AttemptRow, ChoiceRow, Ledger, attempt_id
from guerdon.prefer.agreement import krippendorff
from guerdon.prefer.sets import FIRST, SECOND, TIE, UNKNOWN, PreferenceSet
from guerdon.testing.ledger import make_run

TALK = [{"role": "user", "content": "Hi"}]
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["p", "q", "é", ""]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["a", "b", "d"]),
        st.sampled_from(["first", "second", "tie", None]),
        st.sampled_from(["ann", "bob"]),
    ),
    max_size=30,
)


def made(rows):
    prompt, first, second, choice, annotator = map(list, zip(*rows)) if rows else ([], [], [], [], [])
    n = len(rows)
    return PreferenceSet.of(
        prompt, first, second, choice, annotator=annotator, margin=np.arange(n) / 2,
        columns={"score_first": np.arange(n), "score_second": np.arange(n) * 10, "lang": ["en"] * n},
    )  # fmt: skip


def plain(rows):
    return [row | {"prompt": str(row["prompt"])} for row in rows.rows()]


def test_a_row_is_plain_and_unknown_is_none():
    fault = Fault(FaultKind.TIMEOUT, "slow")
    rows = PreferenceSet.of(["p", TALK], ["a", TALK], ["b", TALK], ["left", None], fault=[None, fault])
    assert rows.row(0) == {
        "prompt": "p", "first": "a", "second": "b", "choice": "first", "margin": None, "weight": 1.0,
        "annotator": "", "fault": None,
    }  # fmt: skip
    assert rows.row(1)["fault"] == ["timeout", "slow", "solver"]
    assert rows.points[0] == 1
    assert math.isnan(rows.points[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"choice": ["better"]}, {"choice": [[]]}, {"choice": np.array([7])}, {"margin": [math.inf]},
        {"margin": [-1e12]},
        {"weight": [-1.0]}, {"weight": [math.nan]}, {"weight": [1e12]}, {"first": ["a", "b"]},
        {"columns": {"prompt": ["x"]}}, {"columns": {"x": [1, 2]}}, {"annotator": []},
    ],
)  # fmt: skip
def test_malformed_columns_are_refused(wrong):
    right = {"prompt": ["p"], "first": ["a"], "second": ["b"], "choice": ["first"]}
    with pytest.raises(ConfigError):
        PreferenceSet.of(**(right | wrong))


@settings(deadline=None, max_examples=60)
@given(ROWS, st.data())
def test_swapping_keeps_the_meaning_and_twice_is_nothing(rows, data):
    one = made(rows)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(one), max_size=len(one))), bool)
    two = one.swapped(mask)
    assert plain(two.swapped(mask)) == plain(one)
    for a, b, turned in zip(one.rows(), two.rows(), mask):
        if not turned:
            assert a == b
            continue
        assert (a["first"], a["second"], a["score_first"]) == (b["second"], b["first"], b["score_second"])
        chosen = {"first": a["first"], "second": a["second"]}.get(a["choice"])
        assert chosen == {"first": b["first"], "second": b["second"]}.get(b["choice"])
        assert a["margin"] == b["margin"]


def test_flipping_changes_the_label_and_the_sign_of_the_margin():
    one = made([("p", "a", "b", "first", ""), ("p", "a", "b", "tie", ""), ("q", "a", "b", "second", "")])
    two = one.flipped([True, True, False])
    assert two.choice.tolist() == [SECOND, TIE, SECOND]
    assert two.margin.tolist() == [-0.0, 0.5, 1.0]
    assert two.first == one.first


@settings(deadline=None, max_examples=40)
@given(ROWS, st.integers(0, 5))
def test_parts_share_no_prompt_lose_nothing_and_do_not_depend_on_the_order(rows, seed):
    one = made(rows)
    parts = one.split({"train": 0.6, "test": 0.4}, seed)
    assert sum(map(len, parts.values())) == len(one)
    assert not set(parts["train"].prompt) & set(parts["test"].prompt)
    back = one.take(np.arange(len(one))[::-1]).split({"train": 0.6, "test": 0.4}, seed)
    assert set(back["train"].prompt) == set(parts["train"].prompt)


def test_shares_are_met_on_average_and_what_is_left_over_is_in_no_part():
    one = PreferenceSet.of([str(k) for k in range(5000)], ["a"] * 5000, ["b"] * 5000, ["first"] * 5000)
    parts = one.split({"train": 0.8, "test": 0.1}, seed=3)
    assert len(parts["train"]) == pytest.approx(4000, abs=150)
    assert len(parts["test"]) == pytest.approx(500, abs=100)
    sides = one.shuffled_sides(1)
    assert (sides.choice == FIRST).mean() == pytest.approx(0.5, abs=0.03)
    assert plain(sides) == plain(one.take(np.arange(5000)).shuffled_sides(1))
    with pytest.raises(ConfigError):
        one.split({"train": 0.8, "test": 0.3})


def test_repetitions_are_found_in_either_order_and_contradictions_are_told():
    one = made([
        ("p", "a", "b", "first", "ann"), ("p", "b", "a", "second", "ann"), ("p", "a", "b", "first", "bob"),
        ("p", "a", "b", "second", "ann"), ("q", "a", "b", "first", "ann"), ("q", "b", "a", None, "ann"),
    ])  # fmt: skip
    kept, dropped = one.deduplicated()
    assert dict(dropped) == {"repeated": 1}
    assert len(kept) == 5
    kept, dropped = one.deduplicated(contradictions=False)
    assert dict(dropped) == {"repeated": 1, "contradictory": 2}
    assert [row["annotator"] for row in kept.rows()] == ["bob", "ann", "ann"]
    again, dropped = kept.deduplicated(contradictions=False)
    assert len(again) == len(kept)
    assert not dropped


def test_filters_and_sums():
    one = made([("p", "a", "b", "first", "ann"), ("q", "a", "b", "tie", "bob")])
    assert one.where(lambda row: row["choice"] == "tie").prompt == ["q"]
    assert one.take(one.decided).prompt == ["p"]
    other = PreferenceSet.of(["r"], ["a"], ["b"], ["first"], columns={"extra": [1]})
    both = one + other
    assert both.prompt == ["p", "q", "r"]
    assert both.columns["lang"] == ["en", "en", None]
    assert both.columns["extra"] == [None, None, 1]
    assert len(one.take([])) == 0
    with pytest.raises(ConfigError):
        one.take([True])


def test_a_ranking_becomes_all_of_its_pairs():
    one = PreferenceSet.from_rankings(["p", "q"], [["a", "b", "c"], ["d", "e"]], [[2, 1, 2], [1, math.nan]], even=True)
    assert [(row["first"], row["second"], row["choice"]) for row in one.rows()] == [
        ("a", "b", "second"), ("a", "c", "tie"), ("b", "c", "first")
    ]  # fmt: skip
    assert one.weight.sum() == pytest.approx(1)
    assert one.columns["ranking"].tolist() == [0, 0, 0]
    with pytest.raises(ConfigError):
        PreferenceSet.from_rankings(["p"], [["a", "b"]], [[1]])


@given(st.permutations(range(5)))
def test_the_pairs_of_a_ranking_agree_with_it(order):
    texts = ["a", "b", "c", "d", "e"]
    one = PreferenceSet.from_rankings(["p"], [texts], [order])
    assert len(one) == 10
    wins = dict.fromkeys(texts, 0)
    for row in one.rows():
        wins[row[row["choice"]]] += 1
    assert sorted(texts, key=lambda text: -wins[text]) == sorted(texts, key=lambda text: order[texts.index(text)])


def test_pairs_and_choices_there_and_back():
    task = Task("t", {"prompt": TALK})
    pairs = [Pair(task, Answer("t", "a"), Answer("t", {"move": 1}))] * 4
    choices = [
        Choice("left", 0.7, "j"), Choice("tie", judge="j"), Choice("skip", judge="j"),
        Choice(None, judge="j", fault=Fault(FaultKind.PROVIDER, "busy")),
    ]  # fmt: skip
    one = PreferenceSet.from_pairs(pairs, choices)
    assert one.prompt[0] == TALK
    assert one.second[0] == '{"move":1}'
    assert one.choice.tolist() == [FIRST, TIE, UNKNOWN, UNKNOWN]
    back = one.choices()
    assert [each.outcome for each in back] == ["left", "tie", "skip", None]
    assert back[0].strength == 0.7
    assert back[3].fault == choices[3].fault
    assert one.pairs()[0].task.id == "t"
    assert one.pairs()[0].task.data["prompt"] == TALK


def test_the_ledger_there_and_back(tmp_path):
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.tasks_seen("c", [Task("t", {"prompt": "Say hi"})])
        for run, visibility in (("open", "open"), ("sealed", "sealed")):
            ledger.begin(make_run(run, challenge="c", visibility=visibility))
        answers = [Answer("t", {"text": "hello"}), Answer("t", "hi"), Answer("t", "hey")]
        a, b, c = (attempt_id("open", 0, k, answer) for k, answer in enumerate(answers))
        ledger.attempt([AttemptRow(name, "open", 0, k, answers[k]) for k, name in enumerate((a, b, c))])
        ledger.choose([
            ChoiceRow("1", "open", 0, 0, "t", a, b, Choice("right", judge="length"), "ann"),
            ChoiceRow("2", "open", 0, 1, "t", b, c, Choice("tie", judge="length")),
            ChoiceRow("3", "sealed", 0, 0, "t", c, a, Choice(None, fault=Fault(FaultKind.TIMEOUT))),
        ])  # fmt: skip
        one = PreferenceSet.from_ledger(ledger)
        assert [(row["prompt"], row["first"], row["second"], row["choice"]) for row in one.rows()] == [
            ("Say hi", '{"text":"hello"}', "hi", "second"), ("Say hi", "hi", "hey", "tie")
        ]  # fmt: skip
        assert one.annotator == ["ann", "length"]
        assert one.columns["attempt_second"] == [b, c]
        assert len(PreferenceSet.from_ledger(ledger, "sealed")) == 0
        sealed = PreferenceSet.from_ledger(ledger, "sealed", reveal=True)  # its attempts are another run's
        assert sealed.fault[0].kind is FaultKind.TIMEOUT
        rows = [
            ChoiceRow(f"new/{k}", "open", 1, k, pair.task.id, one.columns["attempt_first"][k],
                      one.columns["attempt_second"][k], choice, one.annotator[k])
            for k, (pair, choice) in enumerate(zip(one.pairs(), one.choices()))
        ]  # fmt: skip
        ledger.choose(rows)
        again = PreferenceSet.from_ledger(ledger, "open")
        assert again.choice.tolist() == [SECOND, TIE, SECOND, TIE]
        ledger.choose([ChoiceRow("4", "open", 2, 0, "t", "gone", b, Choice("left"))])
        with pytest.raises(ConfigError, match="4 is not"):
            PreferenceSet.from_ledger(ledger)


def test_votes_and_agreement_come_out_of_the_columns():
    one = PreferenceSet.of(
        ["p", "p", "p", "q", "q"], ["a", "b", "a", "c", "c"], ["b", "a", "b", "d", "d"],
        ["first", "second", "tie", "second", "second"], annotator=["ann", "bob", "cyd", "ann", "bob"],
        columns={"m1": ["x", "y", "x", "x", "x"], "m2": ["y", "x", "y", "y", "y"]},
    )  # fmt: skip
    votes = one.votes("m1", "m2")
    assert votes.names == ("x", "y")
    assert votes.points.tolist() == [1, 0, 0.5, 0, 0]
    table, names = one.table()
    assert names == ["ann", "bob", "cyd"]
    assert table == [[1, 1, 0], [2, 2, None]]
    assert krippendorff(table) < 1
    with pytest.raises(ConfigError, match="m3"):
        one.votes("m1", "m3")
    assert one.lengths()[0].tolist() == [1] * 5


def test_a_hundred_thousand_rows():
    n = 100_000
    one = PreferenceSet.of([f"p{k % 5000}" for k in range(n)], [f"a{k}" for k in range(n)], ["b"] * n, ["first"] * n,
                           columns={"score": np.arange(n)})  # fmt: skip
    kept, dropped = one.shuffled_sides().deduplicated()
    parts = kept.split({"train": 0.9, "test": 0.1})
    assert not dropped
    assert len(parts["train"]) + len(parts["test"]) == n
    assert not set(parts["train"].prompt) & set(parts["test"].prompt)
