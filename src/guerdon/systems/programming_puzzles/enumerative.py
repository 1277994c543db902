"""The enumerative solver: tries programs in decreasing probability, and learns the probabilities from its solutions."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypedDict

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Blob, Json, digest
from guerdon.core.rng import entropy
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged, Task
from guerdon.systems.programming_puzzles import constants as puzzle_constants
from guerdon.systems.programming_puzzles.enumeration import Enumeration, Model
from guerdon.systems.programming_puzzles.evaluate import FAILED, Interpreter, Node
from guerdon.systems.programming_puzzles.features import Vocabulary, bag
from guerdon.systems.programming_puzzles.grammar import Grammar, Size, code, grammar, prefix_rules
from guerdon.systems.programming_puzzles.learned import Forest, Labels, Learned, Lesson, require
from guerdon.systems.programming_puzzles.weights import Prior, Uniform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guerdon.core.rng import Rng


class Solution(TypedDict):
    """A program that solved a puzzle: its rules in prefix order are what the forest learns from."""

    task: str
    code: str
    rules: list[str]
    stage: int


class Lost(TypedDict):
    """An answer whose verdict the host failed to give: it is handed in once more."""

    task: str
    content: Json
    note: dict[str, Json]


class State(TypedDict):
    """The whole memory of a run; everything else is rebuilt from it.

    `cursors` counts programs tried per puzzle in this stage up to the last one handed in, `past` the same of earlier
    stages. What was handed in follows from them, since enumeration is deterministic.
    """

    seed: int
    stage: int
    cursors: dict[str, int]
    past: list[dict[str, int]]
    solutions: list[Solution]
    lost: list[Lost]


class Find(NamedTuple):
    """A program with a value that no earlier program of the puzzle had."""

    program: int
    node: Node | None
    key: object


@dataclass(frozen=True, kw_only=True)
class Enumerative(Learner[State]):
    """Enumerates typed Python expressions in decreasing probability (Schuster et al. 2021, arXiv 2106.05784).

    Stage 0 uses the Uniform model. With `model="forest"`, `rounds` more stages each train a random forest on the
    solutions found so far and start enumeration again under it; values handed in before are not handed in twice.
    Budget is spent round-robin over unsolved puzzles in slices of programs that double, so easy puzzles come first.

    Where we differ: answers are values computed by the solver's own interpreter together with their code; programs
    with a value already tried count as tried and are not handed in; limits are programs and ticks, never seconds, so
    that a run repeats exactly.

    Args:
        model: "uniform", or "forest" for a bigram model by random forest, bootstrapped from own solutions.
        rounds: stages after the first (source: 5).
        programs_per_puzzle: programs tried per puzzle in each stage but the last (source: 10,000).
        final_programs: programs tried per puzzle in the last stage (source: up to 10⁶).
        depth: most nodes from the root of a program to a leaf (source: 10).
        tau0: probability down to which the first round of enumeration goes; each next one divides it by e (source).
        ticks: ticks of one program (source: 2,000).
        ticks_per_puzzle: ticks of all programs of one puzzle in one stage, in place of the source's 3,600 s.
        grammar: "full", or "small" for experiments on a desk.
        prior: how Uniform splits what the puzzle's constants leave: "equal" (source) or by the rules' own weights.
        batch: answers handed in at once.
        slice: programs per puzzle before the first change of puzzle.
        stop_when_solved: leave a puzzle after its first solution.
        n_estimators: trees of the forest (source: scikit-learn's default, 100).
        uniform_weight: share of Uniform mixed into the forest's probabilities.
        retrain: train anew each stage; if not, every stage uses the forest of Uniform's solutions (control).
        labels: "own"; or, as controls, "shuffled" (rules permuted) or "random" (rules drawn at random).

    >>> Enumerative(model="uniform").name
    'enumerative'
    """

    name: ClassVar[str] = "enumerative"

    model: Literal["uniform", "forest"] = "uniform"
    rounds: int = 5
    programs_per_puzzle: int = 10_000
    final_programs: int = 1_000_000
    depth: int = 10
    tau0: float = 1e-3
    ticks: int = 2_000
    ticks_per_puzzle: int = 100_000_000
    grammar: Size = "full"
    prior: Prior = "equal"
    batch: int = 256
    slice: int = 16
    stop_when_solved: bool = True
    n_estimators: int = 100
    uniform_weight: float = 0.05
    retrain: bool = True
    labels: Labels = "own"
    _desk: dict[str, _Desk] = field(
        default_factory=dict, init=False, repr=False, compare=False, metadata={"recipe": False}
    )

    def __post_init__(self) -> None:
        for name in ("programs_per_puzzle", "final_programs", "depth", "ticks", "batch", "slice", "n_estimators"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is at least 1", f"got {getattr(self, name)}", "Raise it")
        if not 0 < self.tau0 < 1:
            raise ConfigError("tau0 is a probability between 0 and 1", f"got {self.tau0}", "Write tau0=1e-3")
        if not 0 < self.uniform_weight <= 1:
            got = f"got {self.uniform_weight}"
            raise ConfigError("uniform_weight is above 0 and at most 1", got, "Write uniform_weight=0.05")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_desk": {}}

    @property
    def last_stage(self) -> int:
        """Number of the last stage."""
        return self.rounds if self.model == "forest" else 0

    def limit(self, stage: int) -> int:
        """Programs per puzzle in a stage."""
        return self.final_programs if stage >= self.last_stage else self.programs_per_puzzle

    def start(self, problem: Problem, rng: Rng) -> State:
        """An empty memory with a seed for the forests.

        Raises:
            ConfigError: the model needs scikit-learn and it is not installed.
        """
        if self.model == "forest":
            require()
        return State(seed=int(rng.integers(2**31)), stage=0, cursors={}, past=[], solutions=[], lost=[])

    def ask(self, problem: Problem, state: State, rng: Rng) -> Sequence[Answer]:
        """The next values, mixed over the unsolved puzzles; nothing when every stage is used up."""
        if state["lost"]:
            note: dict[str, Json] = {"again": True, "programs": 0}
            return [Answer(one["task"], one["content"], note={**one["note"], **note}) for one in state["lost"]]
        desk = self._open(problem, state["seed"])
        while True:
            answers = list(desk.answers(state))
            if answers or state["stage"] >= self.last_stage:
                return answers
            state = advance(state)

    def tell(self, problem: Problem, state: State, judged: Sequence[Judged], rng: Rng) -> State:
        """Moves the cursors to what was judged and keeps what solved a puzzle."""
        if not judged:
            return state
        while state["stage"] < _whole(judged[0].answer.note.get("stage")):
            state = advance(state)
        cursors = dict(state["cursors"])
        again = [one for one in judged if "again" in one.answer.note]
        lost = state["lost"][len(again) :]
        for one in judged[len(again) :]:
            cursors[one.answer.task] = _whole(one.answer.note.get("program"))
            if one.score.fault is not None and one.score.fault.whose == "host":
                lost.append(_lost(one.answer))
        found = [_solution(one.answer, state["stage"]) for one in judged if (one.score.value or 0) >= 1]
        return State(
            seed=state["seed"],
            stage=state["stage"],
            cursors=cursors,
            past=state["past"],
            solutions=[*state["solutions"], *found],
            lost=lost,
        )

    def progress(self, state: State) -> Mapping[str, str | int | float]:
        """Stage, puzzles solved and programs tried in the stage."""
        solved = len({solution["task"] for solution in state["solutions"]})
        return {"stage": state["stage"], "solved": solved, "programs": sum(state["cursors"].values())}

    def _open(self, problem: Problem, seed: int) -> _Desk:
        key = digest([task.digest for task in problem.tasks], seed)
        if key not in self._desk:
            self._desk.clear()
            self._desk[key] = _Desk(self, problem.tasks, seed)
        return self._desk[key]


def advance(state: State) -> State:
    """The state at the start of the next stage."""
    past = [*state["past"], state["cursors"]]
    return State(
        seed=state["seed"], stage=state["stage"] + 1, cursors={}, past=past, solutions=state["solutions"], lost=[]
    )


def _solution(answer: Answer, stage: int) -> Solution:
    rules, content = answer.note.get("rules"), answer.content
    names = [str(rule) for rule in rules] if isinstance(rules, Sequence) else []
    code = str(content["code"]) if isinstance(content, Mapping) else ""
    return Solution(task=answer.task, code=code, rules=names, stage=stage)


def _lost(answer: Answer) -> Lost:
    assert not isinstance(answer.content, Blob)
    return Lost(task=answer.task, content=answer.content, note=dict(answer.note))


def _whole(value: object) -> int:
    if type(value) is not int:
        raise SolverError("a judged answer carries the solver's own notes", f"got {value!r}", "Keep Answer.note")
    return value


@dataclass(frozen=True, slots=True)
class _Puzzle:
    """What the solver reads from a task, once."""

    task: Task
    kind: str
    constants: Mapping[str, Sequence[puzzle_constants.Constant]]
    prefix: str

    @classmethod
    def read(cls, task: Task) -> _Puzzle:
        sat, kind = str(task.data["sat"]), str(task.data["ans_type"])
        return cls(task, kind, puzzle_constants.constants(sat), puzzle_constants.parse(sat).prefix)


class _Stream:
    """Programs of one puzzle in one stage, as far as they were enumerated."""

    def __init__(self, solver: Enumerative, rules: Grammar, model: Model, kind: str, base: set[object]) -> None:
        self._programs = iter(Enumeration(rules, model, kind, solver.depth, solver.tau0))
        self.interpreter = Interpreter(solver.ticks)
        self._kind, self._ticks = kind, solver.ticks_per_puzzle
        self.base, self._seen = base, set(base)
        self.finds: list[Find] = []
        self.tried = 0
        self.forgotten = 0

    def reach(self, programs: int) -> None:
        """Try programs until so many were tried."""
        value_of, seen, kind = self.interpreter.value, self._seen, self._kind
        while self.tried < programs and self._ticks > 0:
            node = next(self._programs, None)
            if node is None:
                self._ticks = 0
                return
            self.tried += 1
            value = value_of(node)
            self._ticks -= node.ticks
            if value is FAILED:
                continue
            key = identity(value)
            if key not in seen and fits(value, kind):
                seen.add(key)
                self.finds.append(Find(self.tried, node, key))

    def between(self, cursor: int, target: int) -> Iterator[Find]:
        """New values after `cursor` programs and within `target`, enumerated one by one."""
        position = bisect_right(self.finds, cursor, key=attrgetter("program"))
        while True:
            while position >= len(self.finds):
                if self.tried >= target or self._ticks <= 0:
                    return
                self.reach(min(target, self.tried + 16))
            find = self.finds[position]
            if find.program > target:
                return
            position += 1
            if find.program > cursor:
                yield find

    def forget(self, cursor: int) -> None:
        """Let go of the programs up to a cursor; their keys stay."""
        position = bisect_right(self.finds, cursor, key=attrgetter("program"))
        for index in range(self.forgotten, position):
            self.finds[index] = self.finds[index]._replace(node=None)
        self.forgotten = max(self.forgotten, position)

    def remembers(self, cursor: int) -> bool:
        """Whether the programs after a cursor are still at hand."""
        return self.forgotten == 0 or self.finds[self.forgotten - 1].program <= cursor

    def handed_in(self, cursor: int) -> set[object]:
        """Values handed in by the time so many programs were tried, those of earlier stages included."""
        self.reach(cursor)
        return self.base | {find.key for find in self.finds if find.program <= cursor}


class _Desk:
    """Caches of one run beside its state: puzzles, forests and streams. All of it can be rebuilt."""

    def __init__(self, solver: Enumerative, tasks: Sequence[Task], seed: int) -> None:
        self._solver, self._seed = solver, seed
        self._rules = grammar(solver.grammar)
        self._puzzles = {task.id: _Puzzle.read(task) for task in tasks}
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._forests: dict[str, Forest] = {}

    @cached_property
    def _rows(self) -> dict[str, NDArray[np.float32]]:
        bags = {name: bag(str(puzzle.task.data["sat"]), puzzle.kind) for name, puzzle in self._puzzles.items()}
        vocabulary = Vocabulary(list(bags.values()))
        return {name: vocabulary.row(words) for name, words in bags.items()}

    @cached_property
    def _uniform(self) -> dict[str, Uniform]:
        return {
            name: Uniform(self._rules, puzzle.constants, self._solver.prior) for name, puzzle in self._puzzles.items()
        }

    def answers(self, state: State) -> Iterator[Answer]:
        """The next answers of the stage the state is in."""
        solver, cursors = self._solver, dict(state["cursors"])
        solved = {solution["task"] for solution in state["solutions"]} if solver.stop_when_solved else set()
        open_puzzles = [puzzle for name, puzzle in self._puzzles.items() if name not in solved]
        limit, count = solver.limit(state["stage"]), 0
        lineage = _lineage(state)
        target = solver.slice
        while open_puzzles and count < solver.batch:
            target = min(target, limit)
            for puzzle in open_puzzles:
                name = puzzle.task.id
                cursor = cursors.get(name, 0)
                if cursor >= target:
                    continue
                stream = self._stream(puzzle, state, lineage)
                for find in stream.between(cursor, target):
                    yield self._answer(puzzle, stream, find, cursors.get(name, 0), state["stage"])
                    cursors[name] = find.program
                    count += 1
                    if count == solver.batch:
                        return
            if target == limit:
                return
            target *= 2

    def _answer(self, puzzle: _Puzzle, stream: _Stream, find: Find, cursor: int, stage: int) -> Answer:
        node = find.node
        assert node is not None
        note: dict[str, Json] = {
            "programs": find.program - cursor,
            "program": find.program,
            "p": math.exp(node.logp),
            "stage": stage,
            "rules": prefix_rules(node),
        }
        return Answer(
            puzzle.task.id, {"value": stream.interpreter.value(node), "code": code(node, puzzle.prefix)}, note=note
        )

    def _stream(self, puzzle: _Puzzle, state: State, lineage: str) -> _Stream:
        key = (puzzle.task.id, lineage)
        cursor = state["cursors"].get(puzzle.task.id, 0)
        stream = self._streams.get(key)
        if stream is None or not stream.remembers(cursor):
            stream = self._streams[key] = self._replayed(puzzle, state, state["stage"])
        stream.forget(cursor)
        return stream

    def _replayed(self, puzzle: _Puzzle, state: State, stage: int) -> _Stream:
        """The stream of a stage; streams of earlier stages are taken from the cache or enumerated again."""
        base: set[object] = set()
        if stage > 0:
            key = (puzzle.task.id, _lineage(state, stage - 1))
            earlier = self._streams.pop(key, None) or self._replayed(puzzle, state, stage - 1)
            base = earlier.handed_in(state["past"][stage - 1].get(puzzle.task.id, 0))
        return _Stream(self._solver, self._rules, self._model(puzzle, state, stage), puzzle.kind, base)

    def _model(self, puzzle: _Puzzle, state: State, stage: int) -> Model:
        uniform = self._uniform[puzzle.task.id]
        forest = self._forest(state, stage)
        if forest is None:
            return uniform
        return Learned(uniform, forest.table(self._rows[puzzle.task.id]), self._solver.uniform_weight)

    def _forest(self, state: State, stage: int) -> Forest | None:
        """The forest of a stage, or None where there is nothing to learn from yet."""
        lessons_until = stage if self._solver.retrain else min(stage, 1)
        known = [solution for solution in state["solutions"] if solution["stage"] < lessons_until]
        if not known:
            return None
        key = digest(known)
        if key not in self._forests:
            lessons = [Lesson(self._rows[solution["task"]], solution["rules"]) for solution in known]
            seed = entropy(self._seed, "forest", stage) % 2**32
            self._forests[key] = Forest(self._rules, lessons, self._solver.n_estimators, seed, self._solver.labels)
        return self._forests[key]


def _lineage(state: State, stage: int | None = None) -> str:
    """Names everything that the streams of a stage depend on."""
    stage = state["stage"] if stage is None else stage
    known = [solution for solution in state["solutions"] if solution["stage"] < stage]
    return digest(stage, state["past"][:stage], known)


def identity(value: Any) -> object:
    """What makes two values of one answer type the same answer; short for long ones."""
    if type(value) in (int, bool, float):
        return value
    text = value if type(value) is str else repr(value)
    return text if len(text) <= 48 else hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).digest()


def fits(value: Any, kind: str) -> bool:
    """Whether a value has exactly the type, all levels down. The interpreter has seen to size and finiteness.

    >>> fits([[1, 2]], "List[List[int]]"), fits([True], "List[int]"), fits(1, "float")
    (True, False, False)
    """
    if kind.startswith("List["):
        inner = kind[5:-1]
        if inner.startswith("List["):
            return type(value) is list and all(fits(part, inner) for part in value)
        return type(value) is list and {each.__name__ for each in set(map(type, value))} <= {inner}
    return type(value).__name__ == kind
