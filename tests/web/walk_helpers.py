"""Walks in a real browser: a server as a process of its own, and what a person does on its pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WAIT_MS = 60_000
READY = "[data-ready]:not([data-ready='0'])"
COMMAND = [sys.executable, "-c", "from guerdon.cli.main import main; main()"]


class Server:
    """guerdon serve as a process of its own, with a worker."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--db", str(folder / "w.db"), "--port", "0", *arguments], stdout=subprocess.PIPE,
            text=True, env={**os.environ},
        )  # fmt: skip
        assert self.process.stdout
        self.line = self.process.stdout.readline()
        self.url = self.line.split()[-1]

    def read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout
        self.process.stdout.close()


def watch(page: Any) -> list[str]:
    """What the browser complained about: policy violations and errors of scripts."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.set_default_timeout(WAIT_MS)
    return said


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def take(page: Any, link: str, name: str) -> None:
    page.goto(link)
    page.wait_for_selector("#token:valid")
    assert "#" not in page.url
    page.fill("#name", name)
    page.fill("#password", "a long enough sentence")
    page.click("button:has-text('Begin')")
    page.wait_for_selector("text=You are signed in")


def hand_in(page: Any, name: str, content: bytes) -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": content})
    with page.expect_navigation():
        page.click("button:has-text('Hand in')")


def answered(page: Any, count: int) -> None:
    page.wait_for_selector(f"[data-part=number]:text-is('{count}')", state="attached")


def walk_as_annotator(browser: Any, server: Server) -> bytes:
    """Twenty comparisons by keyboard, one of them twice, ratings that move; returns the export as it is downloaded."""
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    said = watch(page)
    rows = [
        {"prompt": f"p{i // 2}", "system": "ab"[i % 2], "content": f"answer {i} of {'ab'[i % 2]}"} for i in range(80)
    ]
    page.goto(f"{server.url}/compare")
    page.fill("#slug", "chat")
    content = "\n".join(map(json.dumps, rows)).encode()
    page.set_input_files("#items", {"name": "x.jsonl", "mimeType": "application/jsonl", "buffer": content})
    page.click("text=Open the project")
    page.goto(f"{server.url}/compare/chat")
    page.wait_for_selector(READY)
    keys = ["ArrowLeft", "ArrowRight", "ArrowDown", "s", "b"]
    for number in range(20):
        left = page.inner_text("[data-side=first] .body")
        key = keys[number] if number < len(keys) else "ArrowLeft" if left.endswith("a") else "ArrowRight"
        page.keyboard.press(key)
        answered(page, number + 1)
        page.wait_for_selector(READY)
    last = page.inner_text("[data-side=first] .body")
    page.keyboard.press("u")
    answered(page, 19)
    page.wait_for_selector(READY)
    page.wait_for_selector(f"[data-side=first] .body:not(:text-is({json.dumps(last)}))")
    page.keyboard.press("ArrowDown")
    answered(page, 20)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        page.goto(f"{server.url}/compare/chat/standing")
        if "20" in page.inner_text(".cards"):
            break
    text = page.inner_text("main")
    assert "20" in text
    assert page.locator("figure svg").count() == 1
    with page.expect_download() as download:
        page.click("text=Chosen and rejected, for TRL")
    content: bytes = download.value.path().read_bytes()
    assert said == []
    context.close()
    return content
