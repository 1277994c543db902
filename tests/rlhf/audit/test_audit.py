"""The audit as a whole: its document, its page, its numbers."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.core.intervals import wilson
from guerdon.core.reward import ANY, reward
from guerdon.prefer.sets import PreferenceSet
from guerdon.rlhf.audit import audit
from guerdon.rlhf.audit.estimates import differs, effective, holm, mean, partial_correlation, share
from guerdon.rlhf.audit.page import render, write

_spec = util.spec_from_file_location("howto", Path(__file__).with_name("howto.py"))
howto = util.module_from_spec(_spec)
_spec.loader.exec_module(howto)

ROWS = howto.pairs(300, 301)


class Checker(HTMLParser):
    """Counts what must not be there, and ids."""

    def __init__(self):
        super().__init__()
        self.ids, self.targets, self.bad = [], [], []

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.ids += [told["id"]] if "id" in told else []
        self.targets += [told["href"][1:]] if told.get("href", "").startswith("#") else []
        if tag in ("script", "iframe", "link") or any(name.startswith("on") for name in told):
            self.bad.append(tag)


def test_the_document_is_plain_json_and_the_page_stands_alone(tmp_path):
    document = audit(howto.long_winded, ROWS, source="pairs.jsonl").document()
    again = json.loads(json.dumps(document, allow_nan=False))
    page = render(again)
    assert page == render(document)
    checker = Checker()
    checker.feed(page)
    assert not checker.bad
    assert len(set(checker.ids)) == len(checker.ids)
    assert set(checker.targets) <= set(checker.ids)
    assert "http" not in page.replace("http-equiv", "")
    path = write(document, tmp_path / "deep" / "page.html")
    assert path.read_text(encoding="utf-8") == page
    assert [each.name for each in path.parent.iterdir()] == ["page.html"]
    for finding in document["findings"]:
        assert finding["title"].split()[0] in page


def test_hostile_texts_are_shown_and_do_nothing():
    @reward(range=ANY)
    def fond(text):
        return float(len(text))

    evil = "<script>alert(1)</script>\u202e{{ 7*7 }}"
    rows = PreferenceSet.of([f"{evil} {k}" for k in range(60)], [evil] * 60, ["short"] * 60, ["first", "second"] * 30)
    page = render(audit(fond, rows, source=evil).document())
    assert "<script" not in page
    assert "\u202e" not in page
    assert "{{ 7*7 }}" in page


def test_equal_arguments_find_the_same():
    one, two = (audit(howto.long_winded, ROWS, seed=3, limit=200).document() for _ in range(2))
    for document in (one, two):
        document.pop("seconds")
    assert one == two
    assert one["data"]["rows"] == 200
    assert one["data"]["left out"] == {"over the limit": 100}
    assert one["data"]["digest"] == audit(howto.oracle, ROWS, seed=3, limit=200, only=["coverage"]).digest
    assert one["versions"]["guerdon"]


def test_sides_of_the_data_do_not_matter():
    one, two = (audit(howto.oracle, rows, only=["accuracy", "length"]) for rows in (ROWS, ROWS.swapped()))
    for probe in ("accuracy", "length"):
        assert one.finding(probe).numbers == two.finding(probe).numbers
    assert one.digest == two.digest != audit(howto.oracle, ROWS.flipped(np.arange(300) < 1), only=["length"]).digest


def test_conversations_are_audited_too():
    asked = [[{"role": "user", "content": p}] for p in ROWS.prompt]
    sides = ([[{"role": "assistant", "content": t}] for t in side] for side in (ROWS.first, ROWS.second))

    @reward(range=ANY)
    def talk(data, answer):
        text = answer if isinstance(answer, str) else answer[-1]["content"]
        return howto.gold(data["prompt"][-1]["content"], text)

    result = audit(talk, PreferenceSet.of(asked, *sides, ROWS.choice), seed=1)
    assert result.finding("accuracy").verdict == "ok"
    assert result.finding("exploits").verdict == "ok"
    render(result.document())


def test_probes_are_chosen_by_name_and_unknown_ones_are_named():
    assert [each.probe for each in audit(howto.oracle, ROWS, only=["calls", "length"]).findings] == ["length", "calls"]
    assert "length" not in [each.probe for each in audit(howto.oracle, ROWS, skip=["length"]).findings]
    with pytest.raises(ConfigError, match="Did you mean length"):
        audit(howto.oracle, ROWS, only=["lenght"])
    with pytest.raises(ConfigError, match="known choice"):
        audit(howto.oracle, PreferenceSet.of(["p"], ["a"], ["b"], [None]))


def test_tiny_data_is_not_measured_rather_than_judged():
    result = audit(howto.oracle, ROWS.take(range(5)))
    told = {each.probe: each.verdict for each in result.findings}
    assert told["calibration"] == told["length"] == told["exploits"] == told["contrast"] == "not measured"
    render(result.document())


def test_ties_among_labels_count_neither_way():
    choice = ["tie" if k % 3 == 0 else int(c) for k, c in enumerate(ROWS.choice)]
    named = [{1: "first", 2: "second"}.get(c, c) for c in choice]
    result = audit(
        howto.oracle, PreferenceSet.of(ROWS.prompt, ROWS.first, ROWS.second, named), only=["accuracy", "coverage"]
    )
    assert result.finding("accuracy").numbers[0].n == 200
    assert result.finding("coverage").number("ties among the labels") == pytest.approx(1 / 3)


# ---- estimates -------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60))
def test_without_groups_a_share_is_wilsons(points):
    found = share(points)
    value = sum(points) / len(points)
    assert found.value == value
    if 0 < value < 1 and len(points) > 2:
        n = effective(np.array(points), np.arange(len(points)))
        assert n == pytest.approx(len(points), rel=0.51)
        assert (found.low, found.high) == pytest.approx(wilson(value * n, n))


def test_repeated_rows_do_not_narrow_an_interval():
    rng = np.random.default_rng(0)
    once = (rng.random(100) < 0.7).astype(float)
    ten = np.repeat(once, 10)
    narrow, honest = share(ten), share(ten, np.repeat(np.arange(100), 10))
    alone = share(once)
    assert honest.low == pytest.approx(alone.low, abs=0.005)
    assert narrow.high - narrow.low < 0.5 * (honest.high - honest.low)
    assert mean(ten, np.repeat(np.arange(100), 10)).low == pytest.approx(mean(once).low, abs=1e-9)


def test_intervals_of_shares_cover():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        chance = np.repeat(rng.beta(4, 2, 40), 5)
        found = share((rng.random(200) < chance).astype(float), np.repeat(np.arange(40), 5))
        hits += found.low <= 4 / 6 <= found.high
    assert hits >= 275  # of 300; 285 expected


def test_holm_is_the_published_procedure():
    stats = pytest.importorskip("scipy.stats")
    assert holm([0.01, 0.02, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert holm([]) == []
    rng = np.random.default_rng(2)
    groups = np.arange(2000)
    one, two = ((rng.random(2000) < p).astype(float) for p in (0.5, 0.56))
    p = differs((one, groups), (two, groups))
    table = [[one.sum(), 2000 - one.sum()], [two.sum(), 2000 - two.sum()]]
    assert p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=0.02)


def test_partial_correlation_takes_the_control_out():
    rng = np.random.default_rng(3)
    z = rng.normal(size=2000)
    x, y = z + rng.normal(size=2000), z + rng.normal(size=2000)
    assert abs(partial_correlation(x, y, z).value) < 0.06
    assert partial_correlation(x, y, np.zeros(2000)).value > 0.4
    assert math.isnan(partial_correlation(np.zeros(20), y[:20], z[:20]).value)
