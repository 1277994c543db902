"""guerdon reproduce and guerdon systems, on experiments of the user's own and on the shipped ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from guerdon.bench import reproduce
from guerdon.bench.loading import cards
from guerdon.cli.main import main
from guerdon.report.experiment import render

MINE = '''
"""A user's own experiment."""
from dataclasses import dataclass
from pathlib import Path
from guerdon.bench.experiment import Experiment
from guerdon.bench.verdicts import AllOf, Claim

def claim(name, at_least):
    return Claim(name=name, statement=f"A gains {name} <b>.", measure="x", treatment="a", control="b",
                 at_least=at_least, source="none", expected="1")

@dataclass(frozen=True, kw_only=True)
class Mine(Experiment):
    name = "mine"
    summary = "Known \\x1b[31m effects <script>alert(1)</script>."
    arms = ("a", "b")
    claims = (claim("some", 0.5), claim("much", 9.0), AllOf(name="both", statement="Both.", of=("some", "much")))
    broken: bool = False
    def run(self, arm, seed, scale):
        with Path("log.txt").open("a") as file:
            file.write(f"{arm}/{seed}\\n")
        if self.broken and arm == "b":
            raise RuntimeError("<img src=x> \\x1b[2J")
        return {"x": 1.0 * (arm == "a") + 0.01 * seed, "y": None}

EXPERIMENTS = (Mine(),)
'''

Guerdon = Callable[..., tuple[int, str, str]]


@pytest.fixture
def guerdon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Guerdon:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    (tmp_path / "broken.py").write_text(MINE.replace("(Mine(),)", "(Mine(broken=True),)"), encoding="utf-8")

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(words))
        shown = capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 0 if code is None else 1), shown.out, shown.err

    return call


def test_verdicts_are_printed_with_their_rules_and_a_refuted_claim_is_no_error(guerdon: Guerdon) -> None:
    code, out, err = guerdon("reproduce", "mine.py", "--workers", "inline", "--seeds", "4")
    assert code == 0, err
    assert "supported  A gains some <b>." in out
    assert "refuted  A gains much <b>." in out
    assert "refuted if the whole interval is below 9" in out
    assert "1, 95 % interval 1 to 1 (all 4 seeds agree)" in out
    assert "much: refuted" in out
    assert "\x1b[31m effects" not in out


def test_one_document_in_json_and_nothing_done_twice(guerdon: Guerdon, tmp_path: Path) -> None:
    code, out, _ = guerdon("reproduce", "mine.py", "--json")
    assert code == 0
    document = json.loads(out)
    assert [claim["verdict"] for claim in document["experiments"][0]["claims"]] == ["supported", "refuted", "refuted"]
    assert document["experiments"][0]["seeds"] == [11, 12, 13, 14, 15]
    assert document["experiments"][0]["measures"]["a"]["11"] == {"x": 1.11}
    again = json.loads(guerdon("reproduce", "mine.py", "--json")[1])
    assert again["experiments"] == document["experiments"]
    assert len((tmp_path / "log.txt").read_text().split()) == 10
    guerdon("reproduce", "mine.py", "--json", "--fresh", "--workers", "inline")
    assert len((tmp_path / "log.txt").read_text().split()) == 20


def test_faults_that_keep_a_verdict_away_are_an_error_and_are_shown(guerdon: Guerdon) -> None:
    code, out, _ = guerdon("reproduce", "broken.py", "--workers", "inline")
    assert code == 1
    assert "RuntimeError: <img src=x>" in out
    assert "inconclusive  A gains some" in out
    assert "\x1b[2J" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["programming-puzzle"], "Did you mean programming-puzzles"),
        (["mine.py", "--seeds", "0"], "at least one seed"),
        (["mine.py", "--scale", "smoke", "--record", "--workers", "inline"], "desk or full"),
        (["nothing.py"], "nothing.py is not there"),
    ],
)
def test_wrong_use_is_said_in_three_clauses(guerdon: Guerdon, words: list[str], said: str) -> None:
    code, _, err = guerdon("reproduce", *words)
    assert code == 2
    assert said in " ".join(err.split())


def test_what_is_recorded_is_what_systems_shows(
    guerdon: Guerdon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = guerdon("reproduce", "mine.py", "--workers", "inline", "--record", "--json")
    assert code == 0
    kept = tmp_path / "reproductions" / "mine.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == json.loads(out)
    monkeypatch.setattr(reproduce, "RECORDS", kept.parent)
    kept.rename(kept.with_name("programming-puzzles.json"))
    document = json.loads(out)
    shown = guerdon("systems")[1]
    assert "1 supported, 2 refuted" in " ".join(shown.split())
    assert document["date"] in shown
    full = guerdon("systems", "programming-puzzles")[1]
    assert "refuted  A gains much" in full
    listed = {item["slug"]: item["reproduction"] for item in json.loads(guerdon("systems", "--json")[1])}
    assert listed["programming-puzzles"] == document


def test_systems_without_a_record_say_so(guerdon: Guerdon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "RECORDS", tmp_path)
    assert "not yet run" in guerdon("systems")[1]
    assert "guerdon reproduce programming-puzzles" in guerdon("systems", "programming-puzzles")[1]


class Page(HTMLParser):
    """The tags of a page; raises on what is not well nested."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("file", ["mine.py", "broken.py"])
def test_the_page_is_well_formed_and_inert(guerdon: Guerdon, tmp_path: Path, file: str) -> None:
    path = tmp_path / "out" / "page.html"
    guerdon("reproduce", file, "--workers", "inline", "--report", str(path))
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    tags = {tag for tag, _ in page.seen}
    assert not tags & {"script", "img", "iframe", "link", "b", "form"}
    for _, attributes in page.seen:
        assert not any(name.startswith("on") or name in ("src", "style", "action") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    idents = [attributes["id"] for _, attributes in page.seen if attributes.get("id")]
    assert len(idents) == len(set(idents))
    assert "\x1b" not in text
    assert "default-src 'none'" in text
    assert len(re.findall(r"<svg role", text)) == (3 if file == "mine.py" else 1)
    assert not list(path.parent.glob(".*"))


def test_the_same_document_gives_the_same_page(guerdon: Guerdon) -> None:
    document = json.loads(guerdon("reproduce", "mine.py", "--workers", "inline", "--json")[1])
    assert render(document) == render(document)


def test_the_shipped_experiments_work_at_smoke_scale(guerdon: Guerdon) -> None:
    pytest.importorskip("sklearn")
    code, out, err = guerdon("reproduce", "programming-puzzles", "--scale", "smoke", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert [part["faults"] for part in document["experiments"]] == [[], []]
    assert all(claim["reason"] for part in document["experiments"] for claim in part["claims"])


def test_shipped_records_are_of_shipped_systems_and_whole() -> None:
    for path in reproduce.RECORDS.glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        assert path.stem == document["slug"]
        assert path.stem in cards()
        assert document["scale"] in ("desk", "full")
        assert document["commit"]
        assert not document["commit"].endswith("+")
        render(document)
