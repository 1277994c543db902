"""Walks in a real browser: a server as a process of its own, and what a person does on its pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

WAIT_MS = 60_000
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
