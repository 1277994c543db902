"""A contest of EvalAI, Codabench or Kaggle is taken over by the form."""

import io
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("yaml")
sys.path.insert(0, str(Path(__file__).parent.parent / "interop" / "contests"))
import contest_fixtures as foreign
from web_helpers import Browser, main_of, signed_in

from guerdon.hosting import Actor, Host, Role
from guerdon.web.settings import Settings


def send(browser: Browser, content: bytes, **fields: str) -> object:
    return browser.post("/challenges/import", fields, files={"file": ("contest.zip", content)})


@pytest.mark.parametrize("which", ["evalai", "codabench"])
def test_its_phases_and_limits_are_those_of_the_original(host: Host, which: str) -> None:
    browser = Browser(host)
    answer = send(browser, getattr(foreign, which)(), slug="taken", rules="**Be fair.**")
    text = main_of(answer)
    assert answer.status_code == 200, text  # type: ignore[attr-defined]
    assert 'href="/challenges/taken"' in text
    found = host.contests.find("taken")
    assert found.phases
    assert all(phase.limits.per_day for phase in found.phases)
    page = browser.get("/challenges/taken").text
    assert "<strong>Be fair.</strong>" in page
    assert str(host.ledger.folder) not in browser.get("/challenges/taken/submit").text


def tables(tmp_path: Path) -> bytes:
    folder, held = foreign.kaggle(tmp_path / "tables"), io.BytesIO()
    with zipfile.ZipFile(held, "w") as to:
        for path in folder.iterdir():
            to.write(path, path.name)
    return held.getvalue()


def test_entrants_read_how_the_sample_begins(host: Host, tmp_path: Path) -> None:
    browser = Browser(host)
    taken = send(browser, tables(tmp_path), slug="taken", metric="accuracy_score")
    assert taken.status_code == 200, main_of(taken)  # type: ignore[attr-defined]
    page = main_of(browser.get("/challenges/taken/submit"))
    assert "a row for each id of the sample" in page
    assert f"<pre><code>{foreign.SAMPLE.splitlines()[0]}\n" in page
    assert foreign.SOLUTION.splitlines()[0] not in page


def test_a_file_is_called_as_its_sender_calls_it(host: Host) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as to:
        to.writestr("../evil", "x")
    browser = Browser(host)
    zipped = browser.post("/challenges/import", files={"file": ("rain & shine.zip", held.getvalue())})
    python = browser.post("/challenges/new", {"slug": "x"}, files={"python": ("mine.py", b"print(1)")})
    for answer, name in ((zipped, "names in rain &amp; shine.zip"), (python, "Expected mine.py defines")):
        assert answer.status_code == 400
        assert name in main_of(answer)
        assert str(host.ledger.folder) not in answer.text


def test_what_is_no_contest_or_taken_already_leaves_nothing(host: Host) -> None:
    browser = Browser(host)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as to:
        to.writestr("readme.txt", "nothing")
    answer = send(browser, held.getvalue())
    assert answer.status_code == 400  # type: ignore[attr-defined]
    assert "competition.yaml" in main_of(answer)
    send(browser, foreign.evalai(), slug="taken")
    folders = set((host.ledger.folder / "challenges").iterdir())
    again = send(browser, foreign.evalai(), slug="taken")
    assert "taken is taken" in main_of(again)
    assert set((host.ledger.folder / "challenges").iterdir()) == folders
    assert len(host.contests.list(Actor.local())) == 1


def test_only_organisers_take_contests_over(host: Host, settings: Settings) -> None:
    eve = signed_in(host, settings, "Eve", Role.ENTRANT)
    assert eve.get("/challenges/import").status_code == 403
    assert eve.http.post(
        "/challenges/import", data={"csrf": eve.csrf("/account")}, files={"file": ("x.zip", b"PK")},
        headers={"origin": eve.base},
    ).status_code == 403  # fmt: skip
