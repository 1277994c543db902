"""How each problem is put to a language model: what its program defines, finds in its scope, and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from guerdon.core.plain import Json

if TYPE_CHECKING:
    from guerdon.core.rng import Rng
    from guerdon.core.task import Task

_PROBLEMS = "guerdon.systems.ttt_discover.problems"


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an attempt at a problem.

    Args:
        entry: the function that the program defines; "" where the source itself is what is handed in.
        variable: the global variable in which the program finds the construction that it starts from.
        returns: what the function returns, in words.
        fields: names for the first items of a returned tuple; without them a tuple stands for its first item.
        source: name under which source is handed in, where there is no entry.
        languages: that a fenced block may name; the first is meant where it names none of them.
        says: whether the language is handed in beside the source.
        seeds: "module:function" that draws start constructions; "" where attempts start from nothing.
        sized: names of the task's data that `seeds` takes as arguments.
    """

    entry: str = "run"
    variable: str = "current_construction"
    returns: str = "the construction"
    fields: tuple[str, ...] = ()
    source: str = "code"
    languages: tuple[str, ...] = ("python",)
    says: bool = False
    seeds: str = ""
    sized: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """True when the program is run for its construction, false when it is the answer itself."""
        return bool(self.entry)

    @property
    def language(self) -> str:
        """The language of a block that names none."""
        return self.languages[0]

    def handed_in(self, code: str, language: str = "") -> dict[str, Json]:
        """What is handed in where the source is the answer."""
        content: dict[str, Json] = {self.source: code}
        if self.says:
            content["language"] = language if language in self.languages else self.language
        return content

    def content(self, code: str, returned: Any) -> dict[str, Json]:
        """What is handed in for a program and what it returned: only its construction is judged."""
        if isinstance(returned, tuple) and self.fields:
            made: Json = {name: as_lists(item) for name, item in zip(self.fields, returned, strict=False)}
        else:
            made = as_lists(returned[0] if isinstance(returned, tuple) and returned else returned)
        return {"code": code, "construction": made}


_AUTOCORRELATION = Form(
    entry="propose_candidate",
    variable="height_sequence_1",
    returns="the list of heights",
    seeds=f"{_PROBLEMS}.autocorrelation:seeds",
)
_CONTEST: dict[str, Any] = {"entry": "", "source": "source", "languages": ("cpp", "python"), "says": True}
FORMS: Mapping[str, Form] = {
    "erdos-overlap": Form(
        variable="initial_h_values", returns="the list of values of h", seeds=f"{_PROBLEMS}.erdos:seeds"
    ),
    "autocorrelation-1": _AUTOCORRELATION,
    "autocorrelation-2": _AUTOCORRELATION,
    "circle-packing": Form(
        entry="run_packing",
        variable="current_circles",
        returns="the tuple (centers, radii)",
        fields=("centers", "radii"),
        seeds=f"{_PROBLEMS}.circle_packing:seeds",
        sized=("n",),
    ),
    "ahc039": Form(**_CONTEST, seeds=f"{_PROBLEMS}.ahc039:seeds"),
    "ahc058": Form(**_CONTEST, seeds=f"{_PROBLEMS}.ahc058:seeds"),
    "denoising": Form(entry="", seeds=f"{_PROBLEMS}.denoising:seeds"),
    "triangle-kernel": Form(entry="", seeds=f"{_PROBLEMS}.triangle_kernel:seeds"),
}

TARGETS: Mapping[str, float | Mapping[int, float]] = {
    "erdos-overlap": 0.380876,
    "autocorrelation-1": 1.50287,
    "autocorrelation-2": 0.9610,
    "circle-packing": {26: 2.635983, 32: 2.939572},
}
"""Best published values (arXiv 2601.16175, table 2), which a prompt may name as what to beat."""


def form_of(task: Task) -> Form:
    """The form of a problem; one that is not listed returns its construction from `run`."""
    return FORMS.get(str(task.data.get("problem", task.id)), Form())


def published_target(task: Task) -> float | None:
    """The best published value of a problem's measure, if there is one."""
    found = TARGETS.get(str(task.data.get("problem", task.id)))
    return found.get(_size(task)) if isinstance(found, Mapping) else found


def _size(task: Task) -> int:
    size = task.data.get("n", 0)
    return size if type(size) is int else 0


def seeds(task: Task, count: int, rng: Rng) -> list[Json]:
    """Contents of start states, by the problem's own rule; `None` each where it starts from nothing."""
    form = form_of(task)
    if not form.seeds:
        return [None] * count
    module, _, name = form.seeds.partition(":")
    draw = getattr(import_module(module), name)
    drawn = draw(rng, count, **{size: task.data[size] for size in form.sized})
    return [{"construction": as_lists(each)} if form.runs else each for each in drawn]


def as_lists(value: Any) -> Any:
    """The value with lists for tuples, which is what JSON has."""
    if isinstance(value, (list, tuple)):
        return [as_lists(item) for item in value]
    if isinstance(value, Mapping):
        return {key: as_lists(item) for key, item in value.items()}
    return value


def part_of(content: Any, name: str) -> Any:
    """An entry of what was handed in, or `None`."""
    return content.get(name) if isinstance(content, Mapping) else None


def construction_of(content: Any) -> Any:
    """The construction in what was handed in: its entry of that name, or the whole, if that is a list."""
    if isinstance(content, Mapping):
        return content.get("construction")
    return content if isinstance(content, Sequence) and not isinstance(content, str) else None
