"""A person at a terminal as a ranking oracle, over a queue of questions that survives everything."""

from __future__ import annotations

import multiprocessing
import os
import re
import string
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import digest
from guerdon.core.reward import Need
from guerdon.core.score import Fault, FaultKind
from guerdon.core.task import Case
from guerdon.prefer.queue import Item, Question, Queue, Ranked
from guerdon.prefer.rankings import RankingOracle

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Show = Callable[[Case], Any]
"""Renders an answer: text, PNG bytes, a PIL image or an array (h, w, 3) of bytes."""
LABELS = string.ascii_uppercase
_COLOUR = re.compile("#([0-9a-fA-F]{6})")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")

HELP = """Type the labels of the best, best first, e.g. "BD" or "b d"; several lines add up.
An empty line hands them in.
  undo   take the last label back
  skip   no opinion on these; other ones come
  help   this help, also "?"
  quit   stop; the same command goes on here"""


@dataclass
class Screen:
    """Where a person reads and types.

    Args:
        source: lines are read from here; by default they are typed.
        sink: texts go here; by default to the standard output.
    """

    source: TextIO | None = None
    sink: TextIO | None = None

    @property
    def colours(self) -> bool:
        """Whether colours can be shown."""
        sink = self.sink or sys.stdout
        return sink.isatty() and os.environ.get("TERM", "") not in ("", "dumb") and not os.environ.get("NO_COLOR")

    def say(self, text: str = "") -> None:
        """A few lines."""
        print(text, file=self.sink or sys.stdout, flush=True)

    def line(self, prompt: str) -> str | None:
        """One line without its end, or `None` when there are no more."""
        if self.source is None:
            try:
                return input(prompt)
            except EOFError:
                return None
        print(prompt, end="", file=self.sink or sys.stdout, flush=True)
        line = self.source.readline()
        return line.rstrip("\r\n") if line else None


@dataclass(frozen=True, kw_only=True)
class HumanRanking(RankingOracle):
    """A person ranks: items under blind labels in a shuffled order, the k best typed in order.

    Each question and answer is in the queue's file before anything else happens, so that after a kill the same
    command goes on and nothing is asked twice. A skipped question ranks nothing (the fault `not-applicable`).

    Args:
        show: renders an answer.
        queue: the queue's file; pictures are put beside it.
        annotator: who answers.
        prompt: what to look for.
    """

    show: Show
    queue: str = field(default="rankings.jsonl", metadata={"recipe": False})
    annotator: str = "me"
    prompt: str = "Which do you like best?"

    needs = frozenset({Need.HUMAN})
    label: ClassVar[str | None] = "person"
    screen: ClassVar[Screen] = Screen()

    def places(self, cases: Sequence[Case], best: int, rng: Rng) -> Sequence[int | Fault] | Fault:
        """Ask, unless it is answered already.

        Raises:
            KeyboardInterrupt: the person leaves.
        """
        shown = [self._shown(case) for case in cases]
        rows = [i for i, each in enumerate(shown) if not isinstance(each, Fault)]
        if len(rows) < 2:  # nothing to compare
            return [each if isinstance(each, Fault) else 0 for each in shown]
        queue = Queue(Path(self.queue))
        question = self._question([cases[i] for i in rows], [shown[i] for i in rows], min(best, len(rows)), queue.path)
        queue.ask(question)
        found = next((each for each in queue.answers(question.id) if each.annotator == self.annotator), None)
        if found is None:
            if multiprocessing.parent_process() is not None:
                return Fault(FaultKind.JUDGE, "a person is asked in the main process; use --workers inline")
            found = self._answered(question, queue)
            queue.answer(found)
        order = {name: place for place, name in enumerate(found.ranked)}
        places = iter([order.get(item.id, len(order)) for item in question.items])
        absent = Fault(FaultKind.ABSENT, "skipped")
        return [each if isinstance(each, Fault) else absent if found.skipped else next(places) for each in shown]

    def _shown(self, case: Case) -> Any:
        """What a renderer makes of an answer, or the fault that it has."""
        try:
            shown = self.show(case)
            return shown if isinstance(shown, str) else png(shown)
        except RewardError as error:
            return Fault(FaultKind.INVALID, str(error))
        except Exception as error:  # noqa: BLE001  # whatever a user's renderer raises, that answer cannot be shown
            return Fault(FaultKind.JUDGE, f"the renderer: {type(error).__name__}: {str(error)[:200]}")

    def _question(self, cases: Sequence[Case], shown: Sequence[Any], best: int, path: Path) -> Question:
        contents = [case.answer.digest for case in cases]
        turn = cases[0].answer.note.get("turn")
        mode = str(cases[0].answer.note.get("mode", "rank"))
        # The group's name tells apart queries that happen to show the same.
        name = digest(cases[0].answer.group, mode, best, contents, self.prompt)[:16]
        items = [
            _item(f"{i}-{content[:8]}", each, path)
            for i, (each, content) in enumerate(zip(shown, contents, strict=True))
        ]
        number = turn + 1 if type(turn) is int else 0
        return Question(name, tuple(items), best, self.prompt, number, mode, cases[0].task.id)

    def _answered(self, question: Question, queue: Queue) -> Ranked:
        screen, shown = self.screen, question.shown(self.annotator)
        if len(shown) > len(LABELS):
            raise ConfigError(f"at most {len(LABELS)} items on a screen", f"got {len(shown)}", "Show fewer")
        began = time.monotonic()
        self._present(question, shown, queue)
        ranked = read_ranking(screen, LABELS[: len(shown)], question.best)
        if ranked is None:
            screen.say("Stopped. The same command goes on here.")
            raise KeyboardInterrupt
        ids = tuple(shown[LABELS.index(label)].id for label in ranked)
        seconds = round(time.monotonic() - began, 3)
        return Ranked(question.id, ids, self.annotator, tuple(item.id for item in shown), seconds=seconds)

    def _present(self, question: Question, shown: Sequence[Item], queue: Queue) -> None:
        best = "the best" if question.best == 1 else f"the {question.best} best, best first"
        self.screen.say(f"\nRound {question.round}: {question.prompt}")
        texts = [(LABELS[i], item.text) for i, item in enumerate(shown) if item.text]
        if texts:
            self.screen.say(side_by_side(texts, painted=self.screen.colours))
        files = [queue.path.parent / item.file for item in shown if item.file]
        if files:
            grid = queue.path.parent / f"{queue.path.stem}-pictures" / f"round-{question.round}-{question.id[:6]}.png"
            sheet(files, LABELS, grid)
            self.screen.say(f"Look at {grid}")
        self.screen.say(f'Type the labels of {best}, then an empty line. "?" helps.')


def read_ranking(screen: Screen, labels: str, best: int) -> str | None:
    """The labels that a person types, best first; "" for skip, `None` for quit. Asks again until they make sense."""
    chosen = ""
    while True:
        line = screen.line(f"{chosen or 'best first'}> " if len(chosen) < best else f"{chosen}, Enter to hand in> ")
        if line is None:
            return None
        word = line.strip().lower()
        if word == "quit":
            return None
        if word == "skip":
            return ""
        if word in ("help", "?"):
            screen.say(HELP)
        elif word == "undo":
            chosen = chosen[:-1]
        elif not word:
            if chosen:
                return chosen
            screen.say('At least one label is expected: got none. Type one, or "skip".')
        else:
            new = re.sub(r"[\s,>]+", "", word).upper()
            problem = _problem(chosen + new, labels, best)
            if problem:
                screen.say(problem)
            else:
                chosen += new


def _problem(typed: str, labels: str, best: int) -> str:
    odd = next((letter for letter in typed if letter not in labels), None)
    if odd is not None:
        got = _CONTROL.sub("?", odd)
        return f'Labels from {labels[0]} to {labels[-1]} are expected: got {got!r}. Type those, or "?" for help.'
    if len(set(typed)) < len(typed):
        return f"Each label once is expected: got {typed[:40]}. Type it again."
    if len(typed) > best:
        return f'{best} at most {"is" if best == 1 else "are"} expected: got {len(typed)}. Type fewer, or "undo".'
    return ""


def side_by_side(texts: Sequence[tuple[str, str]], width: int = 100, painted: bool = False) -> str:
    """Texts under their labels, as many beside each other as fit.

    Args:
        texts: labels and texts.
        width: columns of the terminal.
        painted: show a text that names a colour, as #rrggbb, in that colour.

    >>> print(side_by_side([("A", "one"), ("B", "two")]))
    A     B
    one   two
    """
    blocks = [[label, *(paint(text) if painted else text).splitlines()] for label, text in texts]
    rows: list[str] = []
    while blocks:
        row = [blocks.pop(0)]
        while blocks and sum(_width(block) + 3 for block in [*row, blocks[0]]) <= width:
            row.append(blocks.pop(0))
        height = max(map(len, row))
        for line in range(height):
            cells = [(block[line] if line < len(block) else "", _width(block)) for block in row]
            rows.append("   ".join(text + " " * (wide - _visible(text)) for text, wide in cells).rstrip())
        rows.append("")
    return "\n".join(rows).rstrip("\n")


def paint(text: str) -> str:
    """Text in the colour that it names, for terminals; unchanged when it names none."""
    found = _COLOUR.search(text)
    if found is None:
        return text
    red, green, blue = (int(found.group(1)[i : i + 2], 16) for i in (0, 2, 4))
    return "\n".join(f"\x1b[38;2;{red};{green};{blue}m{line}\x1b[0m" for line in text.splitlines())


def _width(block: Sequence[str]) -> int:
    return max(map(_visible, block), default=0)


def _visible(text: str) -> int:
    return len(re.sub(r"\x1b\[[0-9;]*m", "", text))


def _item(name: str, shown: str | bytes, path: Path) -> Item:
    """Text or a picture as an item; pictures become files beside the queue, named by what is in them."""
    if isinstance(shown, str):
        return Item(name, shown)
    folder = path.parent / f"{path.stem}-pictures"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{digest(shown.hex())[:16]}.png"
    if not file.exists():
        file.write_bytes(shown)
    return Item(name, file=f"{folder.name}/{file.name}")


def png(shown: Any) -> bytes:
    """A picture as the bytes of a PNG file.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(shown, bytes) and shown.startswith(b"\x89PNG"):
        return shown
    import numpy as np

    if isinstance(shown, np.ndarray) and shown.dtype == np.uint8 and shown.ndim in (2, 3):
        from PIL import Image

        shown = Image.fromarray(shown)
    if hasattr(shown, "save"):
        sink = BytesIO()
        shown.save(sink, format="PNG")
        return sink.getvalue()
    raise ConfigError(
        "a renderer gives text, PNG bytes, a PIL image or an array (h, w, 3) of uint8",
        f"got a {type(shown).__name__}",
        "Return one of these",
    )


def sheet(files: Sequence[Path], labels: str, to: Path, across: int = 4) -> None:
    """One picture of all, with their labels."""
    from PIL import Image, ImageDraw

    pictures = []
    for file in files:
        with Image.open(file) as opened:
            pictures.append(opened.convert("RGB"))
    wide, high = max(p.width for p in pictures), max(p.height for p in pictures)
    columns = min(across, len(pictures))
    grid = Image.new("RGB", (columns * (wide + 8), -(-len(pictures) // columns) * (high + 24)), "white")
    draw = ImageDraw.Draw(grid)
    for i, picture in enumerate(pictures):
        left, top = (i % columns) * (wide + 8) + 4, (i // columns) * (high + 24) + 20
        grid.paste(picture, (left, top))
        draw.text((left, top - 16), labels[i], fill="black")
    to.parent.mkdir(parents=True, exist_ok=True)
    grid.save(to)
