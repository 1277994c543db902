"""Things to compare come from a file: texts, pictures, clips, trajectories, gold questions."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import PASSWORD
from web_helpers import Browser, main_of, signed_in

from guerdon.hosting import Actor, Host, Role
from guerdon.hosting.files import FileProblemError
from guerdon.web import items
from guerdon.web.settings import Settings

ME = Actor.local()
MP4 = b"\0\0\0\x18ftypisom" + bytes(100)
GOLD = {"gold": ["a1", "b1"], "outcome": "first"}


def rows(*more: Any) -> list[Any]:
    return [
        {"id": f"{system}{k}", "prompt": f"p{k}", "system": system, "content": f"{system} {k}"}
        for k in range(3)
        for system in "ab"
    ] + list(more)


def lines(found: list[Any]) -> bytes:
    return "\n".join(map(json.dumps, found)).encode()


def zipped(**files: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as to:
        for name, content in files.items():
            to.writestr(name.replace("__", "/"), content)
    return held.getvalue()


def picture(colour: str = "red") -> bytes:
    image = pytest.importorskip("PIL.Image")
    held = io.BytesIO()
    exif = image.Exif()
    exif[0x010E] = "where I live"
    image.new("RGB", (8, 6), colour).save(held, "JPEG", exif=exif)
    return held.getvalue()


def create(browser: Browser, content: bytes, name: str = "x.jsonl") -> Any:
    return browser.post("/compare", {"slug": "chat"}, files={"items": (name, content)})


def test_a_file_twice_is_once_and_gold_questions_tell_how_well_somebody_looks(host: Host) -> None:
    browser = Browser(host)
    assert create(browser, lines(rows(GOLD))).status_code == 303
    assert host.comparisons.standing(ME, "chat").items == 6
    again = browser.post("/compare/chat/items", at="/compare/chat/standing", files={"items": ("x", lines(rows(GOLD)))})
    assert again.headers["location"].endswith("said=known")
    page = main_of(browser.get("/compare/chat/standing"))
    assert "More items" in page
    for _ in range(3):
        pair = host.comparisons.next_pair(ME, "chat")
        assert pair
        better = "first" if str(pair.first.content).startswith("a") else "second"
        host.comparisons.choose(ME, pair.id, better, pair.version)
    (anna,) = host.comparisons.standing(ME, "chat").annotators
    assert (anna.gold, anna.right) == (1, 1)


def test_without_ids_the_same_line_is_the_same_item(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(lines([{"prompt": "p", "content": word} for word in ("one", "two")]))
    host.comparisons.create(ME, "chat", "Chat")
    assert items.add(host, ME, "chat", items.read(host, file)) == 2
    file.write_bytes(lines([{"prompt": "p", "content": word} for word in ("three", "one", "two")]))
    assert items.add(host, ME, "chat", items.read(host, file)) == 1


def test_a_gold_question_by_form(host: Host, settings: Settings) -> None:
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    create(root, lines(rows()))
    at = "/compare/chat/standing"
    made = root.post("/compare/chat/gold", {"first": "a1", "second": "b1", "outcome": "first"}, at=at)
    assert made.headers["location"].endswith("said=gold")
    wrong = root.post("/compare/chat/gold", {"first": "a1", "second": "nobody", "outcome": "first"}, at=at)
    assert wrong.status_code == 400
    assert "nobody" in main_of(wrong)
    anna = signed_in(host, settings, "Anna", Role.ANNOTATOR)
    token = anna.csrf("/compare/chat")
    for path in ("gold", "items"):
        refused = anna.http.post(f"/compare/chat/{path}", data={"csrf": token}, headers={"origin": anna.base})
        assert refused.status_code == 403, path


def test_pictures_clips_and_trajectories_are_shown_as_what_they_are(host: Host) -> None:
    steps = [{"step": 1, "action": "left", "reward": 0.5}, {"step": 2, "action": "right", "reward": 1.0}]
    found = [
        {"id": "a", "prompt": "p", "system": "a", "media": "pictures/a.jpg"},
        {"id": "b", "prompt": "p", "system": "b", "media": "b.mp4"},
        {"id": "c", "prompt": "q", "system": "a", "content": steps},
        {"id": "d", "prompt": "q", "system": "b", "content": {"steps": [*steps, {"action": "jump", "seen": "a tree"}]}},
    ]
    content = zipped(**{"in__items.jsonl": lines(found), "in__pictures__a.jpg": picture(), "in__b.mp4": MP4})
    browser = Browser(host)
    assert create(browser, content, "x.zip").status_code == 303
    for _ in range(2):
        pair = browser.get("/compare/chat/pairs").json()["pairs"][0]
        kinds = {pair[side]["kind"]: pair[side]["text"] for side in ("first", "second")}
        if "image" in kinds:
            shown = browser.get(kinds["image"])
            assert shown.headers["content-type"] == "image/png"
            assert b"where I live" not in shown.content  # written anew
            assert browser.get(kinds["video"]).headers["content-type"] == "video/mp4"
            assert browser.get(kinds["video"]).content == MP4
        else:
            assert kinds["table"].splitlines() == [
                "action  reward  step", "left    0.5     1", "right   1.0     2"
            ]  # fmt: skip
            assert kinds["text"].splitlines()[2] == "3. action jump, seen a tree"
        browser.post("/compare/chat", {"pair": pair["id"], "version": "0", "outcome": "first"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lines(["x"]), "line 1"),
        (lines([{"content": "a"}, {"content": "b", "media": "x.png"}]), "line 2"),
        (lines([{"prompt": 3, "content": "a"}]), "prompt"),
        (lines([{"media": "x.png"}]), "in one .zip"),
        (lines([{"media": "x.svg"}]), "Known are .png"),
        (lines([{"gold": "a1"}]), "line 1"),
        (zipped(**{"a.jsonl": lines(rows()), "b.jsonl": b""}), "one .jsonl"),
        (zipped(**{"a.jsonl": lines([{"media": "../x.png"}])}), "x.png"),
        (zipped(**{"a.jsonl": lines([{"media": "x.png"}]), "x.png": b"<svg onload=alert(1)>"}), "SVG"),
        (zipped(**{"a.jsonl": lines([{"media": "x.mp4"}]), "x.mp4": b"<html>" * 9}), "something else"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_makes_no_project(host: Host, content: bytes, said: str) -> None:
    pytest.importorskip("PIL")
    answer = create(Browser(host), content)
    assert answer.status_code == 400
    assert said in main_of(answer)
    assert host.comparisons.list(ME) == []


def test_a_folder_gives_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.mp4").write_bytes(MP4)
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "in" / "own.mp4").write_bytes(MP4)
    folder = items.Folder(tmp_path / "in")
    assert folder.read("own.mp4") == MP4
    for name in ("../secret.mp4", "link.mp4", str(tmp_path / "secret.mp4"), "none.mp4", "."):
        with pytest.raises(FileProblemError):
            folder.read(name)


def test_who_votes_like_a_bot_is_shown_and_counts_for_nothing(host: Host, settings: Settings) -> None:
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    many = [{"prompt": f"p{k}", "system": system, "content": f"{system} {k}"} for k in range(60) for system in "ab"]
    create(root, lines(many))
    for name in ("Anna", "Bot"):
        signed_in(host, settings, name, Role.ANNOTATOR)
        actor = host.people.actor_of(host.people.sign_in(name, PASSWORD))
        assert actor
        for _ in range(40):
            pair = host.comparisons.next_pair(actor, "chat")
            assert pair
            better = "first" if str(pair.first.content).startswith("a") else "second"
            host.comparisons.choose(actor, pair.id, "first" if name == "Bot" else better, pair.version)
    page = main_of(root.get("/compare/chat/review"))
    assert page.count("one side") == 1
    assert "Bot" not in page  # annotators are told apart by pseudonyms
    told = root.post("/compare/chat/weigh", {"weights": "consensus"}, at="/compare/chat/review")
    assert told.headers["location"].endswith("said=weighed")
    assert host.comparisons.find("chat").weights == "consensus"
    assert root.post("/compare/chat/weigh", {"weights": "x"}, at="/compare/chat/review").status_code == 400
    anna = signed_in(host, settings, "Eva", Role.ANNOTATOR)
    assert anna.get("/compare/chat/review").status_code == 403


def test_steps_that_fit_become_columns_and_others_lines() -> None:
    from guerdon.web.compare import _laid_out

    kind, text = _laid_out([{"action": "left"}, {"action": "a b"}])
    assert (kind, text.splitlines()) == ("table", ["step  action", "1     left", "2     a b"])
    assert _laid_out([{"action": "x" * 25}])[0] == "text"
    assert _laid_out([{"a": 1}, {"b": 1}]) == ("text", "1. a 1\n2. b 1")
    assert _laid_out([{"a": "two\nlines"}])[1].splitlines() == ["step  a", '1     "two\\nlines"']
    assert _laid_out([{"role": "user", "content": "hi"}]) == ("text", "user: hi")
    assert _laid_out([1, 2])[0] == "data"
    assert _laid_out([{}, {}])[0] == "table"
