"""Planted defects are found by the probe that is for them, and clean rewards are not accused."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from guerdon.core.algebra import ensemble, ranked
from guerdon.core.preference import Choice, Preference
from guerdon.core.reward import ANY, Reward, reward
from guerdon.core.score import Score
from guerdon.prefer.sets import PreferenceSet
from guerdon.rlhf.audit import PROBES, Extras, audit
from guerdon.rlhf.overoptimisation import Samples

_spec = util.spec_from_file_location("howto", Path(__file__).with_name("howto.py"))
howto = util.module_from_spec(_spec)
_spec.loader.exec_module(howto)

ROWS = howto.pairs(1000, 201)


def found(thing, *probes, rows=ROWS, extras=None, seed=0):
    return audit(thing, rows, extras, only=probes, seed=seed)


def verdicts(result):
    return {each.probe: each.verdict for each in result.findings}


# ---- clean rewards ---------------------------------------------------------------------------------------------------


def test_a_perfect_oracle_passes_every_probe_that_ran():
    result = audit(howto.oracle, ROWS)
    told = verdicts(result)
    assert set(told) == set(PROBES)
    assert result.verdict == "ok", [each.why for each in result.findings if each.verdict in ("warn", "bad")]
    assert {name for name, verdict in told.items() if verdict == "not measured"} == {
        "position", "dimensions", "strength", "best-of-n", "training", "lineage"
    }  # fmt: skip
    assert all(each.why for each in result.findings)


def test_clean_rewards_are_seldom_accused():
    alarms = Counter()
    for seed in range(12):
        result = audit(howto.oracle, howto.pairs(400, 1000 + seed), seed=seed, skip=["batches", "calls"])
        alarms.update(each.probe for each in result.findings if each.verdict in ("warn", "bad"))
    assert sum(alarms.values()) <= 2, alarms  # of 84 findings


def test_labels_without_doubt_bound_no_temperature_and_that_is_said():
    result = found(howto.oracle, "calibration", "accuracy", rows=howto.pairs(600, 7, doubt=False))
    assert result.finding("accuracy").number("agreement") == 1.0
    assert result.finding("calibration").verdict == "not measured"
    assert "nothing bounds" in result.finding("calibration").why


# ---- planted defects -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thing", "probe", "verdict"),
    [
        (howto.by_length, "length", "bad"),
        (howto.by_length, "accuracy", "bad"),
        (howto.by_length, "calibration", "bad"),
        (howto.by_length, "contrast", "bad"),
        (howto.long_winded, "length", "bad"),
        (howto.loves_solution, "exploits", "bad"),
        (howto.boasted, "exploits", "bad"),
        (howto.fussy, "edits", "bad"),
        (howto.blind, "contrast", "bad"),
        (howto.confident, "calibration", "warn"),
    ],
)
def test_a_planted_defect_is_found(thing, probe, verdict):
    finding = found(thing, probe).finding(probe)
    assert finding.verdict == verdict, finding.why
    assert finding.do
    assert finding.rule


def test_the_master_key_is_named_and_shown():
    finding = found(howto.loves_solution, "exploits").finding("exploits")
    assert "“Solution”" in finding.why
    assert any("Solution" in example.answer for example in finding.examples)
    harmless = {row[0]: row[1] for row in finding.tables[0].rows}
    assert harmless["empty"] == harmless["“Thought process:”"] == "ok"


def test_the_temperature_that_mends_is_the_planted_one():
    finding = found(howto.confident, "calibration").finding("calibration")
    assert finding.number("temperature") == pytest.approx(5, rel=0.2)
    assert finding.number("error beyond that after one scale, held out") < 0.03


def test_the_length_lean_is_held_against_gold_columns_where_there_are_some():
    rows = ROWS
    gold = [[howto.gold(p, t) for p, t in zip(rows.prompt, side)] for side in (rows.first, rows.second)]
    columns = {**rows.columns, "gold_first": np.array(gold[0]), "gold_second": np.array(gold[1])}
    told = PreferenceSet.of(rows.prompt, rows.first, rows.second, rows.choice, columns=columns)
    finding = found(howto.long_winded, "length", rows=told).finding("length")
    assert not math.isnan(finding.number("gold scores prefer the longer side"))
    assert finding.verdict == "bad"


def test_shorter_is_a_lean_too():
    @reward(range=ANY)
    def curt(prompt, text):
        return howto.gold(prompt, text) - 0.03 * len(text)

    finding = found(curt, "length").finding("length")
    assert finding.verdict == "bad"
    assert finding.number("difference") < -0.1
    assert "shorter" in finding.do


def test_a_weak_slice_is_named():
    @reward(range=ANY)
    def town_mouse(prompt, text, source):
        return howto.gold(prompt, text) if source == "book" else float(len(set(text)))

    finding = found(town_mouse, "accuracy").finding("accuracy")
    assert finding.verdict == "warn"
    assert "source forum" in finding.why
    table = {(row[0], row[1]): row[3] for row in finding.tables[0].rows}
    assert table["source", "book"] > table["source", "forum"] + 0.1


@dataclass(frozen=True)
class Neighbourly(Reward):
    """Depends on the longest answer of its batch, as padding bugs do."""

    range: tuple[float, float] = ANY

    def judge(self, cases):
        longest = max(len(case.answer.content) for case in cases)
        padded = [longest - len(case.answer.content) for case in cases]
        gold = [howto.gold(case.task.data["prompt"], case.answer.content) for case in cases]
        return [value - 0.003 * pad for value, pad in zip(gold, padded)]


@dataclass(frozen=True)
class Moody(Reward):
    """Says something else every time."""

    range: tuple[float, float] = ANY

    def judge(self, cases):
        gold = [howto.gold(case.task.data["prompt"], case.answer.content) for case in cases]
        return [value + float(np.random.default_rng().normal()) for value in gold]


def test_a_reward_that_depends_on_its_batch_is_caught():
    result = found(Neighbourly(), "batches", "calls")
    assert verdicts(result) == {"batches": "bad", "calls": "ok"}
    assert "padding" in result.finding("batches").do


def test_a_reward_that_changes_its_mind_is_caught():
    assert found(Moody(), "calls").finding("calls").verdict == "bad"


def test_unknown_scores_are_counted_and_never_zero():
    @reward(range=ANY)
    def shy(prompt, text):
        return None if "well" in text.split() else howto.gold(prompt, text)

    result = found(shy, "coverage", "accuracy", "length", "exploits")
    coverage = result.finding("coverage")
    assert coverage.verdict == "bad"
    assert coverage.tables[0].rows[0][0].startswith("not-applicable")
    assert result.finding("accuracy").number("agreement") > 0.6
    assert verdicts(result)["length"] == verdicts(result)["exploits"] == "ok"


def test_a_reward_that_fails_on_everything_is_not_measured_and_does_not_stop_the_audit():
    @reward
    def broken(text):
        raise RuntimeError("no")

    result = audit(broken, ROWS, limit=60)
    assert result.finding("coverage").verdict == "bad"
    assert {v for name, v in verdicts(result).items() if name != "coverage"} == {"not measured"}


def test_a_reward_of_groups_sees_pairs_as_groups():
    result = audit(howto.oracle.by_group(ranked), ROWS, limit=300)
    told = verdicts(result)
    assert told["accuracy"] == "ok"
    assert result.finding("accuracy").number("agreement") > 0.7
    assert {told[name] for name in ("batches", "calls", "exploits", "edits", "contrast")} == {"not measured"}
    assert "groups as a whole" in result.finding("exploits").why


# ---- members, position, lineage --------------------------------------------------------------------------------------


def member(k):
    @reward(range=ANY)
    def one(prompt, text):
        rng = np.random.default_rng([k, len(text), sum(map(ord, text))])
        return howto.gold(prompt, text) + 0.3 * float(rng.normal())

    return one


def test_flipped_labels_are_the_most_doubtful():
    clean = howto.pairs(600, 11, doubt=False)
    wrong = np.zeros(len(clean), bool)
    wrong[:120] = True
    rows = clean.flipped(wrong)
    finding = found(ensemble([member(k) for k in range(4)]), "strength", rows=rows).finding("strength")
    assert finding.verdict == "warn"
    assert finding.number("contradicted") == pytest.approx(wrong.mean(), abs=0.05)
    assert len(finding.export) == 20
    flipped = {(rows.prompt[k], rows.first[k], rows.second[k]) for k in np.flatnonzero(wrong)}
    flipped |= {(p, b, a) for p, a, b in flipped}
    assert all((row["prompt"], row["first"], row["second"]) in flipped for row in finding.export)
    right = found(ensemble([member(k) for k in range(4)]), "strength", rows=clean).finding("strength")
    assert right.verdict == "ok"


def test_annotated_strengths_are_used_where_the_data_has_them():
    columns = {
        "chosen score list": [[1.0, 2.0]] * 5 + [[0.0, 0.0]] * 5,
        "rejected score list": [[0.0, 0.0]] * 5 + [[1.0, 2.0]] * 5,
    }
    rows = PreferenceSet.of([f"p{k}" for k in range(10)], ["a"] * 10, ["b"] * 10, ["first"] * 10, columns=columns)
    finding = found(howto.by_length, "strength", rows=rows).finding("strength")
    assert finding.number("contradicted") == 0.5
    assert "scores in the data" in finding.why


@dataclass(frozen=True)
class Judge(Preference):
    """Prefers the better, or in a share of pairs what is shown first."""

    lazy: float = 0.0

    def choose(self, pairs):
        made = []
        for pair in pairs:
            one, two = (howto.gold(pair.task.data["prompt"], side.content) for side in (pair.left, pair.right))
            drawn = sum(map(ord, pair.left.content + pair.right.content)) % 100 / 100
            first = drawn < self.lazy or one >= two
            made.append(Choice("left" if first else "right"))
        return made


def test_a_judge_of_pairs_is_audited_for_position():
    fair, lazy = (found(Judge(share), "position", "accuracy", "length", "calibration") for share in (0.0, 0.6))
    assert fair.finding("position").verdict != "bad"
    assert lazy.finding("position").verdict == "bad"
    assert lazy.finding("position").number("changes of mind") > 0.2
    assert fair.finding("accuracy").verdict == "ok"
    assert fair.finding("calibration").verdict == "not measured"
    assert all(each.verdict != "bad" for each in audit(Judge(), ROWS, limit=200).findings)


def test_training_pairs_among_the_audited_are_found():
    other = howto.pairs(300, 99)
    few = ROWS.take(range(100)) + other
    told = {
        "bad": found(howto.oracle, "lineage", extras=Extras(trained_on=few)),
        "ok": found(howto.oracle, "lineage", rows=renamed(ROWS), extras=Extras(trained_on=other)),
    }
    for verdict, result in told.items():
        assert result.finding("lineage").verdict == verdict
    assert told["bad"].finding("lineage").number("pairs trained on") == pytest.approx(0.1, abs=0.01)
    swapped = found(howto.oracle, "lineage", extras=Extras(trained_on=few.swapped()))
    assert swapped.finding("lineage").number("pairs trained on") == pytest.approx(0.1, abs=0.01)


def renamed(rows):
    return PreferenceSet.of([f"Please: {p}" for p in rows.prompt], rows.first, rows.second, rows.choice)


# ---- over-optimisation -----------------------------------------------------------------------------------------------


def samples(bend, prompts=40, n=96, texts=False):
    rng = np.random.default_rng(5)
    proxy = rng.normal(size=(prompts, n))
    gold = proxy - 3.2 * np.maximum(proxy - bend, 0) + rng.normal(size=(prompts, n))
    return Samples([f"p{k}" for k in range(prompts)], [[] for _ in range(prompts)], proxy, gold)


def test_a_known_peak_is_found_and_a_clean_course_is_ok():
    bad = found(howto.oracle, "best-of-n", extras=Extras(samples=samples(1.0))).finding("best-of-n")
    assert bad.verdict == "bad"
    assert 2 <= bad.number("n at the peak") <= 16
    assert bad.number("fall from the peak to the end") > 0
    assert "Stop at n = " in bad.do
    ok = found(howto.oracle, "best-of-n", extras=Extras(samples=samples(99.0))).finding("best-of-n")
    assert ok.verdict == "ok"


def test_too_few_answers_are_not_measured():
    few = Samples(["p", "q"], [[], []], np.ones((2, 3)), np.ones((2, 3)))
    finding = found(howto.oracle, "best-of-n", extras=Extras(samples=few)).finding("best-of-n")
    assert finding.verdict == "not measured"
    assert "4 answers are needed" in finding.why
    bare = Samples(["p"] * 3, [[]] * 3, np.full((3, 8), np.nan), np.ones((3, 8)))
    finding = found(howto.oracle, "best-of-n", extras=Extras(samples=bare)).finding("best-of-n")
    assert finding.verdict == "not measured"


def test_a_reward_that_refuses_tricks_is_not_accused():
    real = {*ROWS.first, *ROWS.second}

    @reward(range=ANY)
    def strict(prompt, text):
        return howto.gold(prompt, text) if text in real else None

    result = found(strict, "exploits", "edits")
    assert result.finding("exploits").verdict == "ok"
    assert "refuses them all" in result.finding("exploits").why
    assert result.finding("edits").verdict == "not measured"


def test_texts_are_scored_by_the_subject_and_judged_by_the_gold_reward():
    rng = np.random.default_rng(3)
    prompts = howto.PROMPTS[:30]
    answers = [howto.answers([p] * 32, rng) for p in prompts]
    unknown = np.full((30, 32), np.nan)
    drawn = Samples(prompts, answers, unknown, unknown)
    extras = Extras(samples=drawn, gold=howto.oracle)
    ok = found(howto.oracle, "best-of-n", extras=extras).finding("best-of-n")
    assert ok.verdict == "ok"
    useless = found(howto.by_length, "best-of-n", extras=extras).finding("best-of-n")
    assert useless.verdict == "warn"
    assert "buys nothing" in useless.do
    blind = found(howto.oracle, "best-of-n", extras=Extras(samples=drawn)).finding("best-of-n")
    assert blind.verdict == "not measured"
    assert "--gold" in blind.do


def test_a_history_says_where_to_stop():
    rng = np.random.default_rng(1)
    rows = [
        {"iteration": k, "kl": k / 20, "proxy": k / 100, "gold": k / 100 - 0.03 * max(k - 120, 0) + 0.05 * rng.normal()}
        for k in range(240)
    ]
    finding = found(howto.oracle, "training", extras=Extras(history=rows)).finding("training")
    assert finding.verdict == "bad"
    assert finding.number("step at the peak") == pytest.approx(120, abs=24)
    short = found(howto.oracle, "training", extras=Extras(history=rows[:5])).finding("training")
    assert short.verdict == "not measured"


def test_the_members_disagreement_is_drawn():
    rng = np.random.default_rng(8)
    truth = rng.normal(size=(20, 64))
    told = truth + rng.normal(size=(3, 20, 64)) * (1 + np.maximum(truth, 0))
    drawn = Samples([""] * 20, [[]] * 20, told.mean(0), truth, told)
    finding = found(howto.oracle, "best-of-n", extras=Extras(samples=drawn)).finding("best-of-n")
    assert [each.title for each in finding.drawings] == ["Own score and gold reward", "Disagreement"]
    assert finding.number("members' variance, end over start") > 1.2


# ---- what the representation knows -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Featured(Reward):
    """Exposes features: the number of words, and noise."""

    range: tuple[float, float] = ANY

    def judge(self, cases):
        return [Score(float(len(case.answer.content))) for case in cases]

    def features(self, prompts, answers):
        rng = np.random.default_rng(0)
        return np.array([[len(answer.split()), rng.normal()] for answer in answers])


def test_dimensions_are_read_off_the_features_or_not():
    sides = {"first": ROWS.first, "second": ROWS.second}
    rng = np.random.default_rng(2)
    columns = {
        **{f"words_{side}": np.array([float(len(t.split())) for t in texts]) for side, texts in sides.items()},
        **{f"charm_{side}": rng.normal(size=len(ROWS)) for side in sides},
    }
    rows = PreferenceSet.of(ROWS.prompt, ROWS.first, ROWS.second, ROWS.choice, columns=columns)
    finding = found(Featured(), "dimensions", rows=rows).finding("dimensions")
    table = {row[0]: row for row in finding.tables[0].rows}
    assert table["words"][4] > 0.95
    assert table["charm"][5] < 0.52
    assert found(Featured(), "dimensions").finding("dimensions").verdict == "not measured"


def test_an_encoder_makes_the_contrast_items():
    asked = []

    def encode(texts):
        asked.extend(texts)
        rng = np.random.default_rng(0)
        base = rng.normal(size=8)
        return [base + 0.5 * np.random.default_rng(sum(map(ord, t))).normal(size=8) for t in texts]

    extras = Extras(encoder=encode, encoder_name="mine")
    finding = found(howto.oracle, "contrast", extras=extras).finding("contrast")
    assert asked
    assert "mine" in finding.tables[0].rows[0][1]
    assert finding.verdict == "ok"
