"""An organiser hosts v3det from label files, in a real browser; an entrant takes part by page and terminal. Slow."""

import csv
import io
import json
import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("playwright")
from v3det_files import labels, results, tree
from walk_helpers import COMMAND, Server, free_port, hand_in, take, watch

pytestmark = pytest.mark.slow


def test_v3det_is_hosted_from_its_label_files(browser: Any, tmp_path: Path) -> None:
    server = Server(tmp_path, "--host", "127.0.0.1", "--port", str(free_port()))
    try:
        walk(browser, server, tmp_path)
    finally:
        server.stop()


def walk(browser: Any, server: Server, folder: Path) -> None:
    link = re.search(r"http\S+", server.read())
    assert link
    one, two = browser.new_context(), browser.new_context()
    root, ada = one.new_page(), two.new_page()
    said = watch(root), watch(ada)
    take(root, link[0], "Root")
    pose(root, server)
    root.goto(f"{server.url}/people")
    root.fill("#team", "red")
    root.click("button:has-text('Make an invitation')")
    take(ada, root.inner_text("#link"), "Ada")
    take_part(ada, server)
    by_terminal(ada, server, folder)
    see_the_board(ada, server)
    end(root, ada, server)
    assert not [line for each in said for line in each if "status of 400" not in line]
    one.close()
    two.close()


def pose(root: Any, server: Server) -> None:
    """From labels of two splits, the tree, and pictures as one zip; a hostile zip is refused first."""
    root.goto(f"{server.url}/challenges/new")
    root.select_option("#challenge", "v3det")
    root.click("button:has-text('Choose')")
    fill(root, zipped("../../pictures/1.png"))
    assert "plain relative paths" in root.inner_text("[role=alert]")
    fill(root, zipped("pictures/1.png"))
    root.wait_for_selector("text=The challenge is open")
    facts = root.inner_text(".facts")
    assert "at most 2 MiB" in facts
    assert "2190" in facts


def fill(root: Any, pictures: bytes) -> None:
    root.fill("#slug", "detect")
    root.fill("#title", "Detect 11 kinds of things")
    files = {"labels": labels("val"), "test_labels": labels("test"), "tree": tree(), "root": pictures}
    for name, content in files.items():
        end = "zip" if name == "root" else "json"
        given = {"name": f"{name}.{end}", "mimeType": "application/octet-stream", "buffer": content}
        root.set_input_files(f"[name=file-{name}]", given)
    root.fill("#per_day-0", "9")
    root.fill("#size-0", "2")
    root.fill("#closes-0", "2190-01-01T00:00")
    root.fill("#total-1", "1")
    with root.expect_navigation():
        root.click("button:has-text('Open the challenge')")


def zipped(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as to:
        for name in names:
            to.writestr(name, b"\x89PNG\r\n\x1a\n")
    return held.getvalue()


def take_part(ada: Any, server: Server) -> None:
    """A good file, one with a mistake, one that is hostile."""
    submit = f"{server.url}/challenges/detect/submit?phase=val"
    ada.goto(submit)
    hand_in(ada, "good.json", results("val", keep=0.6, shift=2.0))
    ada.wait_for_selector(".tone-good .value")
    assert ada.locator("text=Handed in. It is judged").count() == 0  # no longer so
    assert 0.1 < float(ada.inner_text(".tone-good .value")) < 0.7

    lines = results("val").split(b"\n")
    row = json.loads(lines[3].rstrip(b","))
    lines[3] = json.dumps({**row, "bbox": [1, 2, -3, 4]}).encode() + b","
    ada.goto(submit)
    hand_in(ada, "broken.json", b"\n".join(lines))
    ada.wait_for_selector("[role=alert]")
    told = ada.inner_text("[role=alert]")
    assert "line 4" in told
    assert "bbox" in told

    ada.goto(submit)
    hand_in(ada, "hostile.zip", zipped("../../../etc/cron.d/x"))
    ada.wait_for_selector("[role=alert]")
    assert "etc/cron.d" in ada.inner_text("[role=alert]")
    assert ada.locator(".tone-good").count() == 0


def by_terminal(ada: Any, server: Server, folder: Path) -> None:
    """The same by `guerdon submit`, with a token of the account's page."""
    ada.goto(f"{server.url}/account")
    ada.fill("#label", "laptop")
    ada.click("button:has-text('Make a token')")
    file = folder / "better.json"
    file.write_bytes(results("val", keep=0.9))
    environment = {**os.environ, "GUERDON_TOKEN": ada.inner_text("#token")}
    command = [*COMMAND, "submit", server.url, "detect", str(file), "--phase", "val", "--wait", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    made = json.loads(done.stdout)
    assert made["state"] == "done"
    assert made["score"]["low"] < made["score"]["value"] < made["score"]["high"]


def see_the_board(ada: Any, server: Server) -> None:
    ada.goto(f"{server.url}/challenges/detect?phase=val")
    row = ada.locator("table.board tr.own")
    assert "red" in row.inner_text()
    assert row.locator("svg.strip").count() == 1  # the interval
    assert "AP" in ada.inner_text("table.board thead")
    with ada.expect_download() as download:
        ada.click("text=Leaderboard as CSV")
    with download.value.path().open(newline="") as file:
        (told,) = csv.DictReader(file)
    assert float(told["low"]) < float(told["score"]) < float(told["high"])


def end(root: Any, ada: Any, server: Server) -> None:
    """The sealed phase tells nothing until it is revealed; then it takes no more."""
    ada.goto(f"{server.url}/challenges/detect/submit?phase=test")
    hand_in(ada, "final.json", results("test", keep=0.8))
    ada.wait_for_selector("text=told after closing")
    root.goto(f"{server.url}/challenges/detect?phase=test")
    assert "shown after closing" in root.inner_text("#board")
    root.click("text=Close test")
    root.wait_for_selector("text=What is queued is still judged")
    root.click("text=Close and reveal test")
    root.click("text=Reveal now")
    root.wait_for_selector("text=the scores are shown >> nth=0")
    ada.goto(f"{server.url}/challenges/detect?phase=test")
    assert "0." in ada.inner_text("table.board .score")
    ada.goto(f"{server.url}/challenges/detect/submit?phase=test")
    assert "takes no submissions" in ada.inner_text("main")
