"""Every text that somebody else may write, on every page that shows it: a page with it is built like one without."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("multipart")
from hostile_scene import first_of, furnish
from hosting_helpers import FREE, OneFile, contest
from web_helpers import ORIGIN, Browser

from guerdon.hosting import Actor, Host, Phase
from guerdon.testing.hostile_texts import ACTING, ODD, SCRIPTS
from guerdon.web.app import pages
from guerdon.web.settings import Settings

ADDRESSES = ("href", "src", "action", "formaction", "xlink:href")


class Built(HTMLParser):
    """How a page is built: its elements with the names of their attributes; and where it leads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.leads: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.leads |= {value or "" for name, value in attrs if name in ADDRESSES}


def without_rules(page: str) -> str:
    """A page without what was written in markdown, whose elements depend on the text."""
    return re.sub(r'<div class="prose">.*?</div>', "", page, flags=re.DOTALL)


def rules_of(page: str) -> str:
    return "".join(re.findall(r'<div class="prose">.*?</div>', page, flags=re.DOTALL))


FOR_SOME = ("/account", "/challenges", "/challenges/numbers", "/challenges/numbers/submit", "/submissions", "/queue")
"""What the person who wrote it is shown, signed in at a host."""


def looked_at(folder: Path, text: str) -> dict[str, str]:
    """All pages of a host in which this was written everywhere; addresses without ids, which are random."""
    with Host.open(folder, durable=False) as host:
        browser, found = Browser(host), {}
        for place, path in enumerate(furnish(host, [text])):
            answer = browser.get(path)
            assert answer.status_code == 200, (path, answer.text)
            found[f"{place} {re.sub('[0-9a-f]{12,}', '*', path)}"] = answer.text
        theirs = Browser(host, Settings(url=ORIGIN))
        assert theirs.sign_in(first_of([text])).status_code == 303
        for path in FOR_SOME:
            answer = theirs.get(path)
            assert answer.status_code == 200, (path, answer.text)
            found[f"theirs {path}"] = answer.text
    return found


def test_no_page_is_left_out(plain: dict[str, str]) -> None:
    """Every page is looked at, but for those that show nothing anybody wrote, and files to take away."""
    seen = {path.partition(" ")[2] for path in plain}
    patterns = [re.sub(r"{\w+}", "[^/]+", page.path) for page in pages() if page.get]
    missed = {each for each in patterns if not any(re.fullmatch(each, path) for path in seen)}
    away = {page.path for page in pages() if page.path.endswith(("/answer", "/export", "/board.csv"))}
    quiet = {"/", "/sign-in", "/invitation", "/new-password", "/systems/{slug}", "/systems/{slug}/report"}
    named = {re.sub(r"{\w+}", "[^/]+", path) for path in {*away, *quiet, "/compare/media/{pair}/{side}"}}
    assert missed <= named


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return looked_at(tmp_path_factory.mktemp("plain") / "host.db", "plain words")


QUICK = ("script", "attribute", "textarea", "markdown data", "template")


@pytest.mark.parametrize(
    "kind", [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in SCRIPTS]
)
def test_what_would_run_is_only_read(tmp_path: Path, plain: dict[str, str], kind: str) -> None:
    found = looked_at(tmp_path / "host.db", SCRIPTS[kind])
    assert found.keys() == plain.keys()
    for path, page in found.items():
        if path.endswith("/pairs"):
            continue
        built, like = Built(without_rules(page)), Built(without_rules(plain[path]))
        assert built.elements == like.elements, path
        assert all(lead.startswith(("/", "#", "?")) and not lead.startswith("//") for lead in built.leads), path
        rules = Built(rules_of(page))
        assert not any(tag in ("script", "img", "svg", "iframe", "style", "form", "base") for tag, _ in rules.elements)
        assert all(set(names) <= {"class"} or (tag, names) == ("a", ("href", "rel")) for tag, names in rules.elements)
        assert all(lead.startswith(("http://", "https://", "//")) for lead in rules.leads)


@pytest.mark.parametrize("kind", ODD)
def test_odd_text_passes_without_damage(tmp_path: Path, kind: str) -> None:
    """It is kept as it is; a page says visibly what would act on the reader, and stays small."""
    text = ODD[kind]
    for path, page in looked_at(tmp_path / "host.db", text).items():
        assert not any(sign in page for sign in ACTING), path
        assert len(page) < 1_500_000, path
    with Host.open(tmp_path / "host.db", durable=False) as host:
        kept = host.submissions.list_for(Actor.local())[-1]
        assert (kept.note, kept.name) == (text[:2000], text[-200:])
        assert json.loads(host.submissions.answer(Actor.local(), kept.id))["open/0"] == text
        assert host.comparisons.find("chat").title == text


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\xed\xa0\x80", b"\x1b[2J", b"\xef\xbb\xbf1", bytes(range(256))])
def test_bytes_that_are_no_text_come_back_as_they_were(host: Host, content: bytes) -> None:
    contest(host, Phase("only", "open", limits=FREE), challenge=OneFile())
    browser = Browser(host)
    where = browser.post("/challenges/numbers/submit", files={"file": ("x", content)}).headers["location"].split("?")[0]
    assert browser.get(f"{where}/answer").content == content
    assert not any(sign in browser.get(where).text for sign in ACTING)
