"""Two walks in a real browser: an organiser's and an annotator's. Slow; needs Playwright and a Chromium."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("playwright")
from walk_helpers import Server, free_port, hand_in, take, walk_as_annotator, watch

pytestmark = pytest.mark.slow

CHALLENGE = '''
"""Two numbers to guess, from a file."""
from dataclasses import dataclass
from pathlib import Path
from guerdon import Challenge, Reward, Score, Task, Visibility


@dataclass(frozen=True, kw_only=True)
class Near(Reward):
    def judge(self, cases):
        return [self.one(case) for case in cases]

    def one(self, case):
        if not isinstance(case.answer.content, (int, float)):
            return Score.failed("invalid", "not a number")
        return Score(1 / (1 + abs(case.answer.content - case.key)))


@dataclass(frozen=True, kw_only=True)
class Guess(Challenge):
    name = "guess"
    splits = {"practice": Visibility.OPEN, "final": Visibility.SEALED}

    @property
    def judge(self):
        return Near()

    def tasks(self, split):
        return [Task(f"{split}/{i}", {"prompt": "?"}) for i in range(12)]

    def keys(self, tasks):
        return [int(task.id.split("/")[1]) for task in tasks]
'''


def guess(split: str, *values: float) -> bytes:
    return json.dumps({f"{split}/{i}": value for i, value in enumerate(values)}).encode()


def test_an_organiser_hosts_a_challenge(browser: Any, tmp_path: Path) -> None:
    folder = tmp_path / "challenges"
    folder.mkdir()
    (folder / "guess.py").write_text(CHALLENGE)
    port = free_port()
    server = Server(tmp_path, "--host", "127.0.0.1", "--port", str(port), "--challenges", str(folder))
    try:
        walk_as_organiser(browser, server)
    finally:
        server.stop()


def walk_as_organiser(browser: Any, server: Server) -> None:
    link = re.search(r"http\S+", server.read())
    assert link
    one, two = browser.new_context(), browser.new_context()
    root, ada = one.new_page(), two.new_page()
    said = watch(root), watch(ada)
    take(root, link[0], "Root")
    root.goto(f"{server.url}/challenges/new")
    root.select_option("#challenge", "guess.py")
    root.click("button:has-text('Choose')")
    root.fill("#slug", "guess")
    root.fill("#title", "Guess the numbers")
    root.fill("#rules", "**Be fair.** <script>alert(1)</script>")
    root.click("button:has-text('Open the challenge')")
    root.wait_for_selector("text=The challenge is open")

    root.goto(f"{server.url}/people")
    root.fill("#team", "red")
    root.click("button:has-text('Make an invitation')")
    take(ada, root.inner_text("#link"), "Ada")
    ada.goto(f"{server.url}/challenges/guess/submit?phase=practice")
    hand_in(ada, "broken.json", b'{"practice/0": 1,\n"practice/1": }')
    assert "line 2, column 15" in ada.inner_text("[role=alert]")
    hand_in(ada, "hostile.zip", b"PK\x03\x04" + b"../../../../etc/passwd" * 40)
    assert "JSON" in ada.inner_text("[role=alert]")
    hand_in(ada, "good.json", guess("practice", *range(12)))
    ada.wait_for_selector(".tone-good .value")  # by itself, without reloading
    assert ada.inner_text(".tone-good .value") == "1"
    ada.goto(f"{server.url}/challenges/guess?phase=practice")
    assert "red" in ada.inner_text("table.board")

    ada.goto(f"{server.url}/challenges/guess/submit?phase=final")
    hand_in(ada, "final.json", guess("final", *[0.5] * 12))
    ada.wait_for_selector("text=told after closing")
    root.goto(f"{server.url}/challenges/guess?phase=final")
    assert "shown after closing" in root.inner_text("#board")
    root.click("text=Close final")
    root.wait_for_selector("text=What is queued is still judged")
    root.click("text=Close and reveal final")
    root.click("text=Reveal now")
    root.wait_for_selector("text=the scores are shown >> nth=0")
    ada.goto(f"{server.url}/challenges/guess?phase=final")
    assert "0." in ada.inner_text("table.board .score")
    assert not [line for each in said for line in each if "status of 400" not in line]
    one.close()
    two.close()


def test_an_annotator_compares_by_keyboard(browser: Any, tmp_path: Path) -> None:
    server = Server(tmp_path, "--workers", "0")
    try:
        content = walk_as_annotator(browser, server)
    finally:
        server.stop()
    lines = [json.loads(line) for line in content.decode().splitlines()]
    wins = sum(line["chosen"].endswith("a") for line in lines)
    assert wins >= 14  # what the keys said from the sixth pair on
    assert {"prompt", "chosen", "rejected"} == set(lines[0])
