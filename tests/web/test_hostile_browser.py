"""What a real browser makes of a host full of hostile texts, and what is left of the pages without scripts. Slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("playwright")
from hostile_scene import furnish
from hosting_helpers import FREE, contest, judged

from guerdon.hosting import Actor, Host, Item, Phase
from guerdon.testing.hostile_texts import ODD, SCRIPTS
from guerdon.web.app import make_app

pytestmark = pytest.mark.slow
LISTEN = """
addEventListener("securitypolicyviolation", (event) => console.error("policy: " + event.violatedDirective));
"""


@contextmanager
def served(host: Host) -> Iterator[str]:
    """The application behind a real server, on this machine."""
    import uvicorn

    app = make_app(host)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.over.set()
        server.should_exit = True
        thread.join(30)


def test_no_text_runs_loads_or_breaks_anything(browser: Any, tmp_path: Path) -> None:
    """Dialogs, policy violations, script errors and requests to other hosts: there are none, on a narrow screen."""
    said: list[str] = []
    with Host.open(tmp_path / "host.db", durable=False) as host:
        paths = furnish(host, [*SCRIPTS.values(), *ODD.values()])
        paths.remove("/compare/chat/pairs")  # data for a script, in place of which a browser asks for an icon
        with served(host) as base:
            page = browser.new_page(viewport={"width": 360, "height": 700})
            page.set_default_timeout(60_000)
            page.add_init_script(LISTEN)
            page.on("dialog", lambda dialog: (said.append(f"dialog {dialog.message}"), dialog.dismiss()))
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(base) else None)
            for path in paths:
                before = len(said)
                page.goto(base + path, wait_until="load")
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                said += [f"{wide} px wider than the screen"] if wide > 1 else []
                said[before:] = [f"{path}: {each}" for each in said[before:]]
            page.goto(f"{base}/compare/chat")
            for key in ("ArrowLeft", "ArrowRight", "u", "s", "b"):
                page.wait_for_selector("[data-ready]:not([data-ready='0'])")
                page.keyboard.press(key)
            page.wait_for_timeout(500)
            assert not said, "\n".join(said)
            page.evaluate("document.body.append(Object.assign(new Image(), { src: '//evil.example/x' }))")
            page.wait_for_timeout(500)
            page.close()
    assert any("policy: img-src" in each for each in said), "what the browser stops would not have been noticed"


def test_everything_works_without_scripts(browser: Any, host: Host) -> None:
    """Handing in, withdrawing, comparing, taking back, closing and revealing, by forms alone."""
    contest(host, Phase("open", "open", limits=FREE), Phase("final", "final", limits=FREE))
    host.comparisons.create(Actor.local(), "chat", "Chat")
    host.comparisons.add(Actor.local(), "chat", [Item(f"{i}", f"text {i}", system=f"s{i % 4}") for i in range(8)])
    with served(host) as base:
        page = browser.new_context(java_script_enabled=False).new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{base}/challenges/numbers/submit?phase=final")
        page.fill("#answer", '{"final/0": 1, "final/1": 2, "final/2": 3}')
        page.click("button:has-text('Hand in')")
        page.wait_for_selector("text=waiting")
        judged(host, host.submissions.list_for(Actor.local())[0], 0.25, 0.25, 0.25)
        page.reload()
        page.wait_for_selector("text=told after closing")
        page.go_back()
        page.click("button:has-text('Hand in')")  # the form again, as the back button shows it
        page.click("button:has-text('Cancel')")
        page.wait_for_selector("text=Cancelled.")
        page.goto(f"{base}/challenges/numbers?phase=final")
        page.click("summary:has-text('Close and reveal')")
        page.click("text=Reveal now")
        page.wait_for_selector("table.board >> text=0.250")
        page.goto(f"{base}/compare/chat")
        for word in ("Left", "Right", "Both bad"):
            page.click(f"button:has-text('{word}')")
        page.click("button:has-text('Undo')")
        page.wait_for_selector("text=Undone.")
        assert host.comparisons.standing(Actor.local(), "chat").answered == 2
        page.close()
