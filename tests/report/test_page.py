"""The page: its structure, its words, one run and several."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from guerdon.core.errors import ConfigError, LedgerError
from guerdon.core.score import Score
from guerdon.core.task import Answer
from guerdon.report import render, write
from guerdon.report.commands import place, toml


def test_a_page_is_well_formed_inert_and_complete(book: Any, inert: Any) -> None:
    run = book.random_run("r1", 300, 12)
    parsed = inert(render(book.ledger, [run]))
    assert parsed.named("html")[0]["lang"] == "en"
    assert len(parsed.named("h1")) == 1
    for words in ("Key figures", "Figures", "Best answers", "Looks strange", "Faults", "Recipe and commands"):
        assert words in parsed.texts
    assert "Status: done" in parsed.text
    assert "How to read this" in parsed.text


def test_every_anchor_has_a_place_and_ids_are_unique(book: Any, parse: Any) -> None:
    runs = [book.random_run(f"r{i}", 60, 5, seed=i, solver=f"s{i}") for i in range(3)]
    for chosen in (runs[:1], runs):
        parsed = parse(render(book.ledger, chosen))
        ids = [a["id"] for _, a in parsed.tags if a.get("id")]
        assert len(ids) == len(set(ids))
        for _, attributes in parsed.tags:
            if attributes.get("href"):
                assert attributes["href"][1:] in ids
            for name in (attributes.get("aria-labelledby") or "").split():
                assert name in ids


def test_every_drawing_has_a_title_a_description_and_a_sentence(book: Any, parse: Any) -> None:
    run = book.random_run("r1", 300, 12)
    page = render(book.ledger, [run])
    drawings = re.findall(r"<svg role=\"img\".*?</svg>", page, re.S)
    assert len(drawings) >= 5
    for drawing in drawings:
        assert re.search(r"<title id=\"[^\"]+\">[^<]+</title><desc id=\"[^\"]+\">[^<]+</desc>", drawing)
    assert len(parse(page).named("figcaption")) == len(drawings)


def test_the_same_ledger_gives_the_same_page(book: Any) -> None:
    runs = [book.random_run(f"r{i}", 120, 6, seed=i) for i in range(2)]
    assert render(book.ledger, runs) == render(book.ledger, runs)


def test_a_beginning_of_an_id_is_enough_and_a_run_named_twice_is_shown_once(book: Any) -> None:
    run = book.random_run("abcdef", 20, 2)
    assert render(book.ledger, ["abc", run]) == render(book.ledger, [run])


def test_runs_side_by_side_are_ranked_and_overlaid(book: Any, inert: Any) -> None:
    good = [(Answer(f"t{i}", {"code": f"return {i}"}), Score(0.9 + i / 1000)) for i in range(20)]
    poor = [(Answer(f"t{i}", {"code": f"return -{i}"}), Score(0.1 + i / 1000)) for i in range(20)]
    book.step(book.run("r1", solver="poor"), 0, poor)
    book.step(book.run("r2", solver="good"), 0, good)
    book.step(book.run("r3", solver="good too"), 0, good)
    parsed = inert(render(book.ledger, ["r1", "r2", "r3"]))
    assert "Leaderboard" in parsed.texts
    rows = re.findall(r"(\d) (good too|good|poor) 0\.\d+ 0\.\d+ to 0\.\d+", parsed.text)
    assert rows == [("1", "good"), ("1", "good too"), ("3", "poor")]
    assert "Task by task" in parsed.texts


def test_runs_of_one_solver_are_told_apart_by_their_seeds(book: Any, parse: Any) -> None:
    runs = [book.random_run(f"r{i}", 40, 4, seed=i) for i in range(2)]
    assert "climb · seed" not in parse(render(book.ledger, runs[:1])).text
    book.run("r9", seed=9)
    assert "climb · seed 9" in parse(render(book.ledger, ["r0", "r9"])).text


def test_runs_of_different_challenges_or_none_or_too_many_are_refused(book: Any) -> None:
    book.run("a")
    book.run("b", challenge="other")
    with pytest.raises(ConfigError, match="one challenge and split"):
        render(book.ledger, ["a", "b"])
    with pytest.raises(ConfigError, match="1 to 24 runs"):
        render(book.ledger, [])
    with pytest.raises(ConfigError, match="1 to 24 runs"):
        render(book.ledger, ["a"] * 25)
    with pytest.raises(LedgerError):
        render(book.ledger, ["missing"])


@pytest.mark.parametrize(
    ("status", "words"),
    [("done", "done"), ("interrupted", "the same command goes on"), ("failed", "failed"), ("running", "running")],
)
def test_the_status_is_a_word_as_well_as_a_colour(book: Any, parse: Any, status: str, words: str) -> None:
    book.run("r1", status=status)
    assert words in parse(render(book.ledger, ["r1"])).text


def test_verdicts_without_isolation_are_marked(book: Any, parse: Any) -> None:
    run = book.run()
    book.step(run, 0, [(Answer("t", 1), Score(1.0))], "trusted/none+py3.11")
    assert "1 verdict came from a “trusted” sandbox" in parse(render(book.ledger, [run])).text


def test_the_commands_name_run_budget_and_ledger_but_no_folder(book: Any, tmp_path: Path) -> None:
    from guerdon.ledger import Ledger
    from guerdon.ledger.rows import RunRow

    with Ledger.open(tmp_path / "my runs.db") as ledger:
        ledger.begin(RunRow("r1", "sums", "main", "open", "climb", "j", 3, {"attempts": 5}, {}, created=1.0))
        page = render(ledger, ["r1"])
    solve = "guerdon solve sums --solver climb --recipe recipe.toml --split main --seed 3 --budget attempts=5"
    assert f"{solve} --ledger &#39;my runs.db&#39;" in page
    assert "guerdon export r1 --to jsonl" in page
    assert str(tmp_path) not in page


def test_a_run_from_a_log_is_not_offered_to_be_done_again(book: Any) -> None:
    run = book.run(recipe={"challenge": {"log": {}, "task": "sums"}, "solver": {"log": {}}, "judge": {"log": {}}})
    page = render(book.ledger, [run])
    assert "guerdon solve" not in page
    assert "recipe.toml" not in page
    assert f"guerdon rejudge {run} --which all --reward mine.py:NAME" in page


def test_lineage_is_a_tree(book: Any, parse: Any) -> None:
    run = book.run()
    (first,) = book.step(run, 0, [(Answer("t", {"code": "a"}), Score(0.2))])
    (second,) = book.step(run, 1, [(Answer("t", {"code": "b"}, (first,)), Score(0.4))])
    book.step(run, 2, [(Answer("t", {"code": "c"}, (second, first, "elsewhere")), Score(0.6))])
    parsed = parse(render(book.ledger, [run]))
    tree = [a["class"] for a in parsed.named("li") if re.fullmatch(r"n\d", a.get("class") or "")]
    assert tree == ["n0", "n1", "n2", "n1", "n1"]
    assert "not in this run" in parsed.text


def test_only_so_many_tasks_are_listed_and_the_rest_is_pointed_at(book: Any, parse: Any) -> None:
    run = book.random_run("r1", 230, 230)
    parsed = parse(render(book.ledger, [run]))
    assert "These are 200 of 230 tasks; the other 30 are in the ledger: guerdon export r1 --to jsonl" in parsed.text


def test_a_file_is_written_whole_or_not_at_all(book: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = book.random_run("r1", 20, 2)
    target = write(book.ledger, [run], tmp_path / "deep" / "report.html")
    assert target.read_text(encoding="utf-8") == render(book.ledger, [run])
    target.write_text("before", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write(book.ledger, [run], target)
    assert target.read_text(encoding="utf-8") == "before"
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_a_title_can_be_given(book: Any, parse: Any) -> None:
    book.run("r1")
    assert "My <title>" in parse(render(book.ledger, ["r1"], title="My <title>")).texts


def test_many_runs_fit_on_one_page(book: Any, inert: Any) -> None:
    runs = [book.random_run(f"r{i}", 40 * (i > 0), 40, seed=i, binary=False) for i in range(24)]
    page = render(book.ledger, runs)
    assert len(page) < 1_500_000
    assert "all faults · climb · r5" in inert(page).text


def test_the_recipe_file_says_what_flags_can_say(book: Any) -> None:
    import tomllib

    fields = {"kind": "x:Climb", "step": 0.5, "names": ["a", "b"], "on": True, "model": {"kind": "y"}, "none": None}
    run = book.run(recipe={"solver": fields | {"text": 'a"b\n'}})
    tables = tomllib.loads(toml(book.ledger.run(run)))
    assert tables == {"challenge": {}, "solver": {"step": 0.5, "names": ["a", "b"], "on": True, "text": 'a"b\n'}}


def test_any_text_of_a_recipe_is_read_back(book: Any) -> None:
    import tomllib

    fields = {
        "kind": "x:Climb",
        "face": "\U0001f600 é",
        "odd": "\x7f\x00\t",
        "names": ["\U0001f600"],
        "größe": 1,
        "lone": "\ud800",
    }
    tables = tomllib.loads(toml(book.ledger.run(book.run(recipe={"solver": fields}))))
    del fields["kind"]
    assert tables["solver"] == fields | {"lone": "\ufffd"}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/tmp/a#b.db", " --ledger 'a#b.db'"), ("/tmp/a?b.db", " --ledger 'a?b.db'"), ("/tmp/guerdon.db", ""),
        ("sqlite://", ""), ("postgresql+psycopg://me:s3@[::1]:5/lab", " --ledger 'postgresql://[::1]:5/lab'"),
    ],
)  # fmt: skip
def test_a_ledger_is_named_whatever_its_path(url: str, said: str) -> None:
    assert place(url) == said
