"""No page is wider than its window, at any width, in a real browser. Slow."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("playwright")
from hosting_helpers import FREE, contest, entered, guess, judged
from test_hostile_browser import served

from guerdon import Score
from guerdon.hosting import Actor, Host, Item, Phase

pytestmark = pytest.mark.slow
LOCAL = Actor.local()
PATHS = (
    "/challenges", "/challenges/numbers", "/challenges/numbers/edit", "/challenges/numbers/submit", "/challenges/new",
    "/challenges/new?challenge=v3det", "/challenges/import", "/submissions", "/queue", "/compare", "/compare/pets",
    "/compare/pets/standing", "/compare/pets/review", "/runs", "/systems", "/systems/v3det", "/people", "/log", "/api",
    "/nowhere",
)  # fmt: skip


def stage(host: Host) -> None:
    """A little of everything, with long words where people write them."""
    contest(host, Phase("open", "open", limits=FREE))
    item = host.submissions.submit(LOCAL, "numbers", "open", guess("open", 1, 2, 3), name="a-very-long-name" * 8)
    judged(host, item, *[Score.failed("invalid", "something" * 30)] * 3)
    entered(host, LOCAL, "open", 0.1, 0.2, 0.3)
    host.comparisons.create(LOCAL, "pets", "Pets" * 30, "Which?")
    host.comparisons.add(LOCAL, "pets", [Item(f"{s}-0", s * 200, prompt="p", system=s * 9) for s in ("ant", "dog")])


def test_no_page_is_wider_than_its_window(browser: Any, tmp_path: Path) -> None:
    with Host.open(tmp_path / "w.db", durable=False) as host:
        stage(host)
        with served(host) as base:
            page = browser.new_page()
            page.set_default_timeout(60_000)
            wide = [each for path in PATHS for each in widths(page, base, path)]
            page.close()
    assert not wide


def widths(page: Any, url: str, path: str) -> list[tuple[str, int, int]]:
    """Widths of the window at which a page is wider, and by how many pixels."""
    page.goto(url + path)
    found = []
    for width in (320, 390, 640, 768, 900, 1024, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [(path, width, over)] if over > 0 else []
    if path == "/queue":
        found += [(path, 1280, 1)] if page.evaluate("document.querySelector('.scroll').scrollWidth > 1280") else []
    return found
