import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.recipe import recipe
from guerdon.core.rng import stream
from guerdon.core.score import Score
from guerdon.core.solver import Problem
from guerdon.core.task import Answer, Judged, Task
from guerdon.systems.programming_puzzles.challenge import ProgrammingPuzzles
from guerdon.systems.programming_puzzles.enumerative import Enumerative, State, advance, fits
from guerdon.systems.programming_puzzles.features import Vocabulary, bag
from guerdon.systems.programming_puzzles.grammar import grammar
from guerdon.systems.programming_puzzles.learned import Forest, Learned, Lesson
from guerdon.systems.programming_puzzles.weights import Uniform
from guerdon.testing.solver import SolverContract

PUZZLES = {
    "Add:0": ("int", "ans: int, a=4812, b=91277", "ans + a == b"),
    "Add:1": ("int", "ans: int, a=5519, b=70141", "ans + a == b"),
    "Half:0": ("int", "ans: int, a=77154", "ans * 2 == a"),
    "AddMul:0": ("int", "ans: int, a=4821, b=3377, c=98765", "(ans - b) % a == 0 and (ans - b) // a == c"),
    "Upper:0": ("str", "ans: str, s='A long word'", "ans == s.upper()"),
    "Even:0": ("List[int]", "ans: List[int], k=[3, 8, 11, 20]", "ans == [x for x in k if x % 2 == 0]"),
    "Never:0": ("bool", "ans: bool", "ans is None"),
}
SATS = {name: f"def sat({head}):\n    return {body}" for name, (_, head, body) in PUZZLES.items()}


def problem(*names: Any) -> Any:
    tasks = [
        Task(name, {"name": name, "sat": SATS[name], "ans_type": PUZZLES[name][0], "sol_header": "", "module": "m"})
        for name in names or PUZZLES
    ]
    return Problem("tiny", tuple(tasks))


def judge(answers: Any) -> Any:
    judged = []
    for answer in answers:
        scope: dict[str, Any] = {}
        exec(SATS[answer.task].replace("List[int]", "list"), scope)
        value = json.loads(json.dumps(answer.content["value"]))
        try:
            solved = scope["sat"](value) is True
        except Exception:
            solved = False
        judged.append(Judged(Task(answer.task), answer, Score(float(solved)), ""))
    return judged


def steps(solver: Any, given: Any, count: Any, seed: Any = 3) -> Any:
    """States and answers of a run."""
    state = solver.start(given, stream(seed, "start"))
    run = [(state, None)]
    for step in range(count):
        answers = solver.ask(given, state, stream(seed, "ask", step))
        if not answers:
            break
        state = solver.tell(given, state, judge(answers), stream(seed, "tell", step))
        run.append((state, answers))
    return run


SMALL = Enumerative(
    model="uniform", grammar="small", programs_per_puzzle=120, final_programs=400, rounds=2, batch=40, n_estimators=5
)


def forest(**changes: Any) -> Any:
    fields: dict[str, Any] = {"grammar": "small", "programs_per_puzzle": 120, "final_programs": 400, "rounds": 2}
    return Enumerative(**fields | {"model": "forest", "batch": 40, "n_estimators": 5} | changes)


def test_uniform_solves_the_easy_ones() -> None:
    run = steps(Enumerative(model="uniform", final_programs=3000), problem(), 200)
    solved = {solution["task"] for solution in run[-1][0]["solutions"]}
    assert {"Add:0", "Add:1", "Half:0", "Upper:0", "Even:0"} <= solved
    assert "Never:0" not in solved


def test_values_are_plain_typed_and_never_repeated() -> None:
    seen = set()
    for _, answers in steps(forest(), problem(), 60)[1:]:
        for answer in answers:
            value = answer.content["value"]
            assert fits(value, PUZZLES[answer.task][0])
            key = (answer.task, json.dumps(value))
            assert key not in seen
            seen.add(key)


def test_notes_count_programs() -> None:
    tried: dict[str, int] = {}
    for _, answers in steps(SMALL, problem(), 8)[1:]:
        for answer in answers:
            note = answer.note
            tried[answer.task] = tried.get(answer.task, 0) + note["programs"]
            assert note["programs"] >= 1
            assert note["program"] == tried[answer.task]
            assert 0 < note["p"] <= 1


@pytest.mark.parametrize("model", ["uniform", "forest"])
def test_resume_from_any_step_gives_the_same_run(model: Any, tmp_path: Path) -> None:
    given = problem("Add:0", "AddMul:0", "Half:0", "Upper:0", "Never:0")
    solver = forest(model=model, programs_per_puzzle=40)
    whole = steps(solver, given, 12)
    assert model == "uniform" or {state["stage"] for state, _ in whole} >= {0, 1, 2}
    for step in range(len(whole) - 1):
        folder = tmp_path / f"{model}{step}"
        folder.mkdir()
        solver.save(whole[step][0], folder)
        fresh = forest(model=model, programs_per_puzzle=40)
        state = fresh.load(folder)
        for later in range(step, min(step + 2, len(whole) - 1)):
            answers = fresh.ask(given, state, stream(3, "ask", later))
            assert [(a.task, a.content, a.note) for a in answers] == [
                (a.task, a.content, a.note) for a in whole[later + 1][1]
            ]
            state = fresh.tell(given, state, judge(answers), stream(3, "tell", later))
            assert state == whole[later + 1][0]


def test_ask_leaves_the_state_alone_and_repeats_itself() -> None:
    solver, given = forest(), problem()
    state = steps(solver, given, 3)[-1][0]
    before = json.dumps(state)
    first = solver.ask(given, state, stream(0, "a"))
    assert solver.ask(given, state, stream(0, "b")) == first
    assert json.dumps(state) == before


def test_fewer_verdicts_than_answers_are_asked_again() -> None:
    solver, given = SMALL, problem("Add:0", "Never:0")
    state = solver.start(given, stream(0, "start"))
    answers = solver.ask(given, state, stream(0, "ask"))
    state = solver.tell(given, state, judge(answers[:3]), stream(0, "tell"))
    assert list(solver.ask(given, state, stream(0, "ask")))[:5] == answers[3:8]


def test_an_answer_whose_verdict_was_lost_is_handed_in_once_more() -> None:
    solver, given = SMALL, problem("Add:0")
    state = solver.start(given, stream(0, "start"))
    while True:
        answers = solver.ask(given, state, stream(0, "ask"))
        judged = judge(answers)
        if any(one.score.value == 1 for one in judged):
            break
        state = solver.tell(given, state, judged, stream(0, "tell"))
    gone = [Judged(one.task, one.answer, Score.failed("sandbox"), "") for one in judged]
    state = solver.tell(given, state, gone, stream(0, "tell"))
    again = solver.ask(given, json.loads(json.dumps(state)), stream(0, "ask"))
    assert [a.content for a in again] == [a.content for a in answers]
    after = solver.tell(given, state, judge(again), stream(0, "tell"))
    assert len(after["solutions"]) == 1
    assert after["cursors"] == state["cursors"]
    assert after["lost"] == []
    twice = [Judged(Task(a.task), a, Score.failed("sandbox"), "") for a in again]
    assert solver.tell(given, state, twice, stream(0, "tell"))["lost"] == []


def test_two_runs_of_one_solver_do_not_mix() -> None:
    solver, given = forest(), problem("Add:0", "AddMul:0")
    one = steps(solver, given, 6, seed=1)
    steps(solver, problem("Upper:0"), 4, seed=1)
    steps(solver, given, 3, seed=2)
    assert steps(solver, given, 6, seed=1) == one


def test_run_ends_when_every_stage_is_used_up() -> None:
    solver, given = forest(programs_per_puzzle=30, final_programs=60), problem("AddMul:0", "Never:0")
    run = steps(solver, given, 100)
    assert len(run) < 100
    assert solver.ask(given, run[-1][0], stream(0, "x")) == []


def test_unsolved_only_and_all() -> None:
    given = problem("Add:0")
    left = steps(SMALL, given, 50)[-1][0]
    assert len(left["solutions"]) == 1
    more = steps(Enumerative(grammar="small", final_programs=400, stop_when_solved=False), given, 50)[-1][0]
    assert sum(more["cursors"].values()) > sum(left["cursors"].values())


def test_forest_learns_the_shape_of_its_solutions() -> None:
    whole = grammar("small")
    bags = {name: bag(SATS[name], PUZZLES[name][0]) for name in ("Add:0", "Add:1", "Upper:0")}
    words = Vocabulary(list(bags.values()))
    minus = ["int: {int} - {int}", "copy: int", "copy: int"]
    lessons = [Lesson(words.row(bags["Add:0"]), minus)]
    lessons.append(Lesson(words.row(bags["Upper:0"]), ["str: {str}.upper()", "copy: str"]))
    forest = Forest(whole, lessons, 20, 0)
    table = forest.table(words.row(bags["Add:1"]))
    assert table[-1, 0][whole.rule("int: {int} - {int}").index] > 0.5
    learned = Learned(Uniform(whole, {}), table)
    choices = learned.choices(-1, 0, "int", ())
    assert abs(sum(choice.p for choice in choices) - 1) < 1e-9
    assert max(choices, key=lambda choice: choice.p).rule.name == "int: {int} - {int}"
    unseen = whole.rule("int: {int} * {int}").index
    assert learned.key(unseen, 0, "int") == "int"


def test_recipe_is_plain_and_the_solver_pickles() -> None:
    solver = forest()
    steps(solver, problem("Add:0"), 2)
    assert recipe(solver)["uniform_weight"] == solver.uniform_weight
    assert "_desk" not in recipe(solver)
    assert pickle.loads(pickle.dumps(solver)) == solver


def test_faults_are_named() -> None:
    with pytest.raises(ConfigError, match="batch is at least 1"):
        Enumerative(batch=0)
    with pytest.raises(ConfigError, match="tau0"):
        Enumerative(tau0=2.0)
    with pytest.raises(ConfigError, match="uniform_weight"):
        Enumerative(uniform_weight=0)
    stray = Judged(Task("Add:0"), Answer("Add:0", {"value": 1}), Score(0.0), "")
    with pytest.raises(SolverError, match="own notes"):
        SMALL.tell(problem(), SMALL.start(problem(), stream(0, "s")), [stray], stream(0, "t"))


def test_missing_scikit_learn_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ConfigError, match=r"guerdon\[search\]"):
        forest().start(problem(), stream(0, "start"))
    assert SMALL.start(problem(), stream(0, "start"))["stage"] == 0


def test_advance_keeps_what_was_handed_in() -> None:
    state: State = {"seed": 0, "stage": 0, "cursors": {"a": 3}, "past": [], "solutions": [], "lost": []}
    assert advance(state) == {"seed": 0, "stage": 1, "cursors": {}, "past": [{"a": 3}], "solutions": [], "lost": []}
    assert state["cursors"] == {"a": 3}


@pytest.mark.parametrize("model", ["uniform", "forest"])
class TestContract(SolverContract):
    @pytest.fixture
    def solver(self, model: Any) -> Any:
        return forest(model=model, programs_per_puzzle=8, final_programs=100, batch=13)

    @pytest.fixture
    def challenge(self) -> Any:
        return ProgrammingPuzzles(limit=6)
