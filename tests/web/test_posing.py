"""A challenge from an organiser's files: single ones, a folder as one zip, limits and dates of each phase."""

import io
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from v3det_files import labels, tree
from web_helpers import Browser, main_of, signed_in

from guerdon.core.challenge import Visibility
from guerdon.hosting import Actor, Host, Role
from guerdon.web.settings import Settings

FORM = {"challenge": "v3det", "slug": "det", "phased": "yes", "hold-0": "yes", "hold-1": "yes"}


def zipped(**files: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as to:
        for name, content in files.items():
            to.writestr(name.replace("__", "/"), content)
    return held.getvalue()


def uploads(**more: bytes) -> dict[str, Any]:
    files = {"labels": labels("val"), "test_labels": labels("test"), "tree": tree()} | more
    return {
        f"file-{name}": (f"{name}.zip" if content[:2] == b"PK" else f"{name}.json", content)
        for name, content in files.items()
    }


def fields_of(host: Host) -> dict[str, str]:
    from guerdon.hosting.store import unpacked

    (row,) = host.store.rows("SELECT fields FROM hosting_contests")
    return dict(unpacked(row[0]))


def test_the_form_asks_for_what_the_challenge_s_class_has(host: Host) -> None:
    text = main_of(Browser(host).get("/challenges/new?challenge=v3det"))
    assert 'name="file-labels"' in text
    assert "<option selected>supervised</option><option>open</option>" in text
    assert "File of the category tree" in text  # what the class says of its field
    assert 'name="per_day-0"' in text
    assert 'name="closes-1"' in text
    assert 'value="aggregate"' in text.split("Phase test")[0]
    assert 'value="aggregate"' not in text.split("Phase test")[1]  # sealed labels are never told before


def test_phases_have_limits_and_dates_of_their_own(host: Host) -> None:
    given = {
        "per_day-0": "9", "total-0": "", "concurrent-0": "", "size-0": "3", "seconds-0": "50", "memory-0": "4000",
        "opens-0": "2020-01-01T00:00", "closes-0": "2190-01-01T00:00", "visibility-0": "aggregate", "reveal-0": "close",
        "per_day-1": "1", "total-1": "2", "finals-1": "1", "reveal-1": "time", "reveal_at-1": "2191-01-01T00:00",
    }  # fmt: skip
    answer = Browser(host).post("/challenges/new", FORM | given, files=uploads())
    assert answer.headers.get("location") == "/challenges/det?said=created", main_of(answer)
    assert "published values" in main_of(Browser(host).get("/challenges/det"))  # of the challenge's own paper
    val, test = host.contests.find("det").phases
    assert (val.limits.per_day, val.limits.concurrent, val.limits.size, val.limits.seconds) == (9, None, 3 << 20, 50.0)
    assert (val.limits.memory_mb, val.reveal, val.visibility) == (4000, "close", Visibility.AGGREGATE)
    assert val.closes == (220 * 365 + 54) * 86400
    assert (test.limits.per_day, test.limits.total, test.limits.finals, test.limits.size) == (1, 2, 1, 256 << 20)
    assert (test.reveal, test.visibility) == ((221 * 365 + 54) * 86400, Visibility.SEALED)


def test_a_split_without_labels_need_not_be_held(host: Host) -> None:
    files = uploads()
    del files["file-test_labels"]
    form = {name: value for name, value in FORM.items() if name != "hold-1"}
    assert Browser(host).post("/challenges/new", form, files=files).status_code == 303
    assert [each.name for each in host.contests.find("det").phases] == ["val"]
    none = {name: value for name, value in form.items() if name != "hold-0"}
    answer = Browser(host).post("/challenges/new", none | {"slug": "none"}, files=files)
    assert answer.status_code == 400
    assert "none is ticked" in main_of(answer)


def test_a_zip_is_unpacked_to_a_folder_or_to_its_one_file(host: Host) -> None:
    packed = zipped(**{"annotations__val.json": labels("val")})
    pictures = zipped(**{"a.png": b"1", "more__b.png": b"2"})
    assert Browser(host).post("/challenges/new", FORM, files=uploads(labels=packed, root=pictures)).status_code == 303
    found = fields_of(host)
    assert Path(found["labels"]).read_bytes() == labels("val")
    assert (Path(found["root"]) / "more" / "b.png").read_bytes() == b"2"
    assert Path(found["root"]).parent == host.ledger.folder / "challenges"
    again = Browser(host).post("/challenges/new", FORM | {"slug": "again"}, files=uploads(root=pictures))
    assert again.status_code == 303  # what is there already is taken as it is
    assert not [path for path in (host.ledger.folder / "challenges").iterdir() if path.name.startswith(".")]


def link_in_a_zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as to:
        link = zipfile.ZipInfo("labels.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        to.writestr(link, "/etc/passwd")
    return held.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped(**{"..__..__evil.json": b"{}"}), "names in root.zip are plain relative paths"),
        (link_in_a_zip(), "labels.json"),
        (b"PK\3\4 and nothing else", "root.zip"),
        (zipped(**{"bomb.json": bytes(50 << 20)}), "packed"),
    ],
)  # fmt: skip
def test_a_hostile_folder_is_refused_and_leaves_nothing(host: Host, content: bytes, said: str) -> None:
    answer = Browser(host).post("/challenges/new", FORM, files=uploads(root=content))
    assert answer.status_code in (400, 413)
    assert said in main_of(answer)
    assert 'value="det"' in main_of(answer)  # what was typed is still there
    assert host.contests.list(Actor.local()) == []
    assert not [path for path in (host.ledger.folder / "challenges").iterdir() if path.suffix in ("", ".part")]


def test_labels_that_are_none_name_what_is_wrong_and_no_path(host: Host, settings: Settings) -> None:
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    broken = json.loads(labels("val"))
    broken["annotations"][1]["bbox"] = [1, 2, -3, 4]
    answer = root.post("/challenges/new", FORM, at="/people", files=uploads(labels=json.dumps(broken).encode()))
    assert answer.status_code == 400
    assert "bbox" in main_of(answer)
    assert str(host.ledger.folder) not in answer.text
