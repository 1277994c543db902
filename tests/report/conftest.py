"""Small ledgers to make pages from."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any

import pytest

from guerdon.core.score import Score
from guerdon.core.task import Answer, Task
from guerdon.ledger import AttemptRow, Ledger, RunRow, StepRow, VerdictRow, attempt_id, verdict_id

JUDGE = "judge"
VOID = frozenset({"meta"})


class Book:
    """A ledger in memory, with a short way of filling it."""

    def __init__(self) -> None:
        self.ledger = Ledger.open("sqlite://")

    def run(self, name: str = "r1", **fields: Any) -> str:
        """Begin a run."""
        row: dict[str, Any] = {
            "challenge": "sums",
            "split": "main",
            "visibility": "open",
            "solver": "climb",
            "judge": JUDGE,
            "seed": 0,
            "budget": {"attempts": 100},
            "recipe": {
                "challenge": {"kind": "x:Sums"},
                "solver": {"kind": "x:Climb", "step": 0.1},
                "judge": {},
                "independent": True,
            },
            "versions": {"guerdon": "0.1.0"},
            "created": 1.7e9,
            "status": "done",
        }
        return self.ledger.begin(RunRow(name, **(row | fields))).id

    def tasks(self, *names: str, challenge: str = "sums") -> None:
        """Record what was asked."""
        self.ledger.tasks_seen(challenge, [Task(name, {"prompt": name}) for name in names])

    def step(
        self,
        run: str,
        step: int,
        pairs: Sequence[tuple[Answer, Score | None]],
        sandbox: str = "",
        seconds: float | None = 1.0,
        tokens: int = 0,
    ) -> list[str]:
        """Record a step: answers, their scores, and its end unless `seconds` is `None`."""
        rows = [AttemptRow(attempt_id(run, step, i, a), run, step, i, a) for i, (a, _) in enumerate(pairs)]
        verdicts = [
            VerdictRow(verdict_id(row.id, JUDGE), row.id, JUDGE, score, sandbox=sandbox, created=1.7e9)
            for row, (_, score) in zip(rows, pairs, strict=True)
            if score is not None
        ]
        end = None if seconds is None else StepRow(run, step, seconds, tokens, seconds / 2)
        self.ledger.record(rows, verdicts, end)
        return [row.id for row in rows]

    def random_run(
        self, name: str, attempts: int, tasks: int, seed: int = 0, binary: bool = True, **fields: Any
    ) -> str:
        """A run with scores and some faults, always the same for the same arguments."""
        rng = random.Random(seed)
        run = self.run(name, **fields)
        names = [f"t{i}" for i in range(tasks)]
        self.tasks(*names)
        width = max(attempts // 50, 1)
        for step, start in enumerate(range(0, attempts, width)):
            pairs = []
            for i in range(start, min(start + width, attempts)):
                kind = rng.random()
                score = Score(float(rng.random() < 0.1) if binary else rng.random())
                if kind < 0.05:
                    score = Score.failed("timeout", "over 1 s")
                elif kind < 0.06:
                    score = Score.failed("lost", "its worker vanished")
                pairs.append((Answer(names[i % tasks], {"code": f"return {rng.random()} + {i}"}), score))
            self.step(run, step, pairs, "namespaces/seccomp")
        return run


@pytest.fixture
def book() -> Iterator[Book]:
    made = Book()
    yield made
    made.ledger.close()


class Parsed(HTMLParser):
    """A page taken apart; raises on what is not well nested."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, tag
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All text, on one line."""
        return " ".join(" ".join(self.texts).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a name."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def parse() -> type[Parsed]:
    return Parsed


KNOWN_TAGS = frozenset(
    re.findall(
        r"\w+",
        "html head meta title style body a div header h1 h2 h3 p span bdi dl dt dd nav ul ol li main section "
        "strong code figure figcaption svg path text rect circle desc details summary table caption thead tbody tr "
        "th td pre footer",
    )
)
FORBIDDEN = ("src", "srcset", "action", "style", "xlink:href", "formaction")


@pytest.fixture
def inert() -> Any:
    """Checks that a page holds nothing but our own elements, and nothing that loads or runs."""

    def check(page: str) -> Parsed:
        parsed = Parsed(page)
        page.encode("utf-8")
        assert {name for name, _ in parsed.tags} <= KNOWN_TAGS
        for name, attributes in parsed.tags:
            for attribute, value in attributes.items():
                assert not attribute.startswith("on"), (name, attribute)
                assert attribute not in FORBIDDEN, (name, attribute)
                if attribute == "href":
                    assert value is not None
                    assert value.startswith("#"), value
        (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
        assert not re.search(r"url\(|@import|expression", style)
        (policy,) = [m["content"] for m in parsed.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
        assert policy is not None
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        return parsed

    return check
