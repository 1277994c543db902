"""Points that are looked at: a person, or any score of what is seen, ranks what a renderer makes of them."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from guerdon.core.challenge import Picture, Probes
from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import Json, digest
from guerdon.core.reward import ANY, Reward
from guerdon.core.rng import stream
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.prefer.people import HumanRanking, Show, png
from guerdon.prefer.rankings import SortedBy, Ties
from guerdon.search.arrays import Floats
from guerdon.systems.zo_ranksgd.challenge import TASK, Ranked, Tell
from guerdon.systems.zo_ranksgd.objective import named, points_of, source_of

_COLOUR = re.compile(r"#[0-9a-f]{6}")


def colour(point: Floats) -> str:
    """A colour from three numbers, 0 being the middle of each channel.

    >>> print(colour(np.zeros(3)).splitlines()[-1])
    #808080
    """
    red, green, blue = (np.round(255 / (1 + np.exp(-np.clip(point, -30, 30))))).astype(int).tolist()
    return "████████████\n████████████\n████████████\n" + f"#{red:02x}{green:02x}{blue:02x}"


def curve(point: Floats, columns: int = 24, rows: int = 9) -> str:
    """A curve through evenly spaced heights, 0 being the middle, drawn in characters."""
    heights = np.tanh(np.interp(np.linspace(0, 1, columns), np.linspace(0, 1, len(point)), point))
    at = np.round((1 - heights) / 2 * (rows - 1)).astype(int)
    grid = np.full((rows, columns), " ")
    for column, row in enumerate(at.tolist()):
        before = at[max(column - 1, 0)]
        low, high = sorted((row, int(before)))
        grid[low : high + 1, column] = "·"
        grid[row, column] = "█"
    return "\n".join("".join(line) for line in grid)


RENDERERS = {"colour": (colour, 3), "curve": (curve, 6)}


def renderer(name: str) -> Any:
    """A renderer by name, or a function of the user's own as FILE.py:NAME."""
    return RENDERERS[name][0] if name in RENDERERS else named(name)


@dataclass(frozen=True)
class Rendered:
    """Shows an answer by a renderer.

    Args:
        renderer: its name.
        dim: how many numbers it takes.
    """

    renderer: str
    dim: int

    def fingerprint(self) -> str:
        """A digest of the user's file, if it is one."""
        return source_of(self.renderer)

    def __call__(self, case: Case) -> Any:
        """What is seen.

        Raises:
            RewardError: the answer is no point.
        """
        rows, points, wrong = points_of([case.answer.content], self.dim)
        if not rows:
            raise RewardError(wrong[0])
        return renderer(self.renderer)(points[0])


@dataclass(frozen=True)
class Liked(Reward):
    """A score of what is seen, higher is better: an aesthetic model, a similarity to a text, a rule.

    Args:
        show: renders an answer.
        by: FILE.py:NAME of a function of what was rendered.
    """

    show: Show
    by: str

    range = ANY
    label = "liked"

    def fingerprint(self) -> str:
        """A digest of the user's file."""
        return source_of(self.by)

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Render and score each."""
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        try:
            shown = self.show(case)
        except RewardError as error:
            return Score.failed(FaultKind.INVALID, str(error))
        value = float(named(self.by)(shown))
        return Score(value) if math.isfinite(value) else Score.failed(FaultKind.JUDGE, "no finite score")


@dataclass(frozen=True, kw_only=True)
class Latest(Reward):
    """Where a search stood: the number of the query for points that were held in one, nothing for all others.

    Rankings of different queries cannot be compared, so no attempt of such a run is its best. After
    `guerdon rejudge RUN --reward guerdon.systems.zo_ranksgd.people:Latest` the last point held is.
    """

    range = (0.0, math.inf)
    label = "latest"

    def judge(self, cases: Sequence[Case]) -> list[Score | float | None]:
        """By their notes."""
        notes = [case.answer.note for case in cases]
        return [_turn(note.get("turn")) if note.get("held") is True else None for note in notes]


def _turn(turn: object) -> float | None:
    return float(turn) if type(turn) is int and turn >= 0 else None


def judge_of(show: Show, by: str, ties: Ties, **more: Any) -> Reward:
    """Who ranks what is shown: people, or a function sorted."""
    if by == "people":
        return HumanRanking(show=show, **more)
    return SortedBy(reward=Liked(show, by), best=more["best"], seed=more["seed"], ties=ties)


@dataclass(frozen=True, kw_only=True)
class RankedByPeople(Ranked):
    """Tune anything that can be shown towards what a person has in mind, by ranking variants at the terminal.

    Every question and answer is in a file, so that a session can be stopped, even killed, and goes on with the same
    command. Two renderers come along: a colour of three numbers and a curve through six heights.
    """

    renderer: str = "colour"
    """`colour`, `curve`, or a function of your own as FILE.py:NAME, which takes an array (d,) and gives text, PNG
    bytes, a PIL image or an array of pixels: the decoder of a GAN or VAE, an instrument, a page."""
    dim: int = 0
    """d; 0 for that of `colour` and `curve`."""
    by: str = "people"
    """`people`, or FILE.py:NAME of a score of what was rendered, higher is better: a person's stand-in."""
    m: int = 6
    """Variants on a screen (source: 6 to 8 fit)."""
    k: int = 3
    """How many of them are ranked, best first."""
    prompt: str = "Which comes closest to what you have in mind?"
    """What the person is asked."""
    queue: str = field(default="rankings.jsonl", metadata={"recipe": False})
    """File of the questions and answers; pictures are put beside it."""
    annotator: str = "me"
    """Who answers."""
    spread: float = 0.0
    """Standard deviation of the start around 0."""
    start_seed: int = 0
    """Draws the start."""
    ties: Ties = "shuffle"
    """Equal scores of `by`: "shuffle" or "missing"."""

    name: ClassVar[str] = "ranked-by-people"
    noise: ClassVar[float] = 0.0  # type: ignore[misc]
    tell: ClassVar[Tell] = "order"  # type: ignore[misc]

    def __post_init__(self) -> None:
        self.check_oracle()
        if self.renderer not in RENDERERS and self.dim < 1:
            do = f"Give --dim, or use {' or '.join(RENDERERS)}"
            raise ConfigError(f"how many numbers {self.renderer} takes", f"got dim = {self.dim}", do)
        renderer(self.renderer)

    def fingerprint(self) -> str:
        """A digest of the user's files."""
        return digest(source_of(self.renderer), source_of(self.by))

    @property
    def width(self) -> int:
        """D."""
        return self.dim or RENDERERS[self.renderer][1]

    @property
    def judge(self) -> Reward:
        """The person, or the stand-in."""
        show = Rendered(self.renderer, self.width)
        asked = {"queue": self.queue, "annotator": self.annotator, "prompt": self.prompt}
        more = asked if self.by == "people" else {}
        return judge_of(show, self.by, self.ties, best=self.k, seed=self.start_seed, **more)

    def tasks(self, split: str) -> Iterable[Task]:
        """One task: where to start."""
        start = self.spread * stream(self.start_seed, "start").standard_normal(self.width)
        return self.posed(start.tolist(), renderer=self.renderer)

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """None: what the person has in mind is known to nobody."""
        return [None] * len(tasks)

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """What is no point is not shown."""
        wrong: list[Json] = [None, [], "colour", [[0.0]] * self.width]
        return Probes(cheats={"what is no point": [Answer(TASK, each) for each in wrong]})

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """What the person saw."""
        return pictured(Rendered(self.renderer, self.width), task, answer)


def pictured(show: Show, task: Task, answer: Answer) -> Sequence[Picture]:
    """An answer as a picture of the report; nothing for a malformed one."""
    try:
        shown = show(Case(task, answer))
    except RewardError:
        return ()
    if isinstance(shown, str):
        return [Picture("as it was shown", "image/svg+xml", drawn(shown).encode())]
    return [Picture("as it was shown", "image/png", png(shown))]


def drawn(text: str) -> str:
    """Text as an SVG picture, in the colour that it names, if it names one."""
    lines = text.splitlines()
    found = _COLOUR.search(text)
    fill = found.group() if found else "#222222"
    rows = "".join(
        f'<text x="8" y="{20 + 14 * i}" xml:space="preserve">{html.escape(line)}</text>' for i, line in enumerate(lines)
    )
    size = f'width="{16 + 8 * max(map(len, lines), default=1)}" height="{20 + 14 * len(lines)}"'
    style = f'font-family="monospace" font-size="13" fill="{fill}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{rows}</svg>'
