"""Every hostile archive of the corpus at every form that takes one: refused in words, with nothing left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("multipart")
pytest.importorskip("msgspec")
from hosting_helpers import ADMIN, FREE, OneFile, contest
from web_helpers import Browser, main_of

from guerdon.hosting import Host, Phase
from guerdon.testing.file_makers import zipped
from guerdon.testing.hostile_data import LABELS
from guerdon.testing.hostile_files import TARS, ZIPS, FileRow
from guerdon.web.given import sweep

ARCHIVES = [row for row in (*ZIPS, *TARS) if row.says and row.id != "G3m"]  # a hundred files are no trouble here
FORMS = ("labels", "root", "import", "items", "more")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Browser]]:
    with Host.open(tmp_path_factory.mktemp("host") / "host.db", durable=False) as host:
        host.comparisons.create(ADMIN, "chat", "Chat")
        contest(host, Phase("only", "open", limits=FREE), challenge=OneFile())
        yield host, Browser(host)


def sent(browser: Browser, form: str, data: bytes) -> tuple[int, str]:
    """Hand the archive in at one of the forms."""
    file = ("archive.zip", data)
    challenge = {"challenge": "v3det", "slug": "boxes", "title": "Boxes"}
    if form in ("labels", "root"):
        answer = browser.post("/challenges/new", challenge, files={f"file-{form}": file})
    elif form == "import":
        answer = browser.post("/challenges/import", {"slug": "boxes"}, files={"file": file})
    elif form == "items":
        answer = browser.post("/compare", {"slug": "boxes"}, files={"items": file})
    else:
        answer = browser.post("/compare/chat/items", at="/compare/chat/standing", files={"items": file})
    return answer.status_code, main_of(answer) if answer.text else ""


def left(host: Host) -> list[str]:
    """What there is beside the data base after a day, when something harmless is handed in."""
    folder = host.ledger.folder / "challenges"
    if not folder.exists():
        return []
    for path in folder.iterdir():
        os.utime(path, (1.0, 1.0))
    sweep(host, folder)
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("row", ARCHIVES, ids=lambda row: f"{row.id} {row.title}")
def test_a_hostile_archive_is_refused_by_every_form(stage: tuple[Host, Browser], row: FileRow) -> None:
    host, browser = stage
    data = row.make()
    for form in FORMS:
        status, page = sent(browser, form, data)
        assert status in (400, 413), (form, status)
        assert "Not taken" in page, form
    assert left(host) == []
    assert [each.slug for each in host.contests.list(ADMIN)] == ["numbers"]
    assert [each.slug for each in host.comparisons.list(ADMIN)] == ["chat"]


@pytest.mark.parametrize("form", FORMS)
def test_zeros_packed_a_thousand_times_smaller_are_refused(stage: tuple[Host, Browser], form: str) -> None:
    host, browser = stage
    assert sent(browser, form, zipped({f"{number}.json": bytes(8 << 20) for number in range(4)}))[0] in (400, 413)
    assert left(host) == []


def test_what_a_challenge_stands_on_is_kept_and_a_folder_in_a_file_s_place_is_refused(tmp_path: Path) -> None:
    labels = json.dumps(LABELS).encode()
    form = {"challenge": "v3det", "slug": "boxes", "title": "Boxes"}
    good = {"file-labels": ("l.json", labels), "file-test_labels": ("t.json", labels + b" ")}
    folder = {**good, "file-labels": ("l.zip", zipped({"labels.json": labels, "tree.txt": b"x"}))}
    with Host.open(tmp_path / "host.db", durable=False) as host:
        browser = Browser(host)
        refused = browser.post("/challenges/new", form, files=folder)
        assert refused.status_code == 400, main_of(refused)[:300]
        answer = browser.post("/challenges/new", form, files=good)
        assert answer.status_code == 303, main_of(answer)[:300]
        assert [name.partition(".")[2] for name in left(host)] == ["json", "json"]
        found = host.contests.find("boxes")
        assert list(host.contests.posed(found, found.phases[0]).vault.tasks)
