"""The loop: what is asked, what is learned, what is archived; killed at any point; baselines."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.bench.run import run
from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.rng import stream
from guerdon.core.score import FaultKind, Score
from guerdon.core.solver import Problem
from guerdon.core.task import Answer, Case, Judged, Task
from guerdon.ledger import Ledger
from guerdon.search.reuse import StateArchive
from guerdon.systems.ttt_discover.baselines import BestOfN, Evolution
from guerdon.systems.ttt_discover.experiment import HundredfoldVerifier, Overlap, attempted
from guerdon.systems.ttt_discover.problems.erdos import ErdosOverlap, c5
from guerdon.systems.ttt_discover.proposer import Draft, Sample
from guerdon.systems.ttt_discover.solver import State, TttDiscover

torch = pytest.importorskip("torch")

CHALLENGE = ErdosOverlap(pieces=12)
PROBLEM = Problem("erdos-overlap", tuple(CHALLENGE.tasks("main")))
SMALL = TttDiscover(steps=4, groups=3, rollouts=4)


def stepped(solver: TttDiscover, state: State, step: int, scores: Any = None) -> tuple[State, list[Judged]]:
    answers = solver.ask(PROBLEM, state, stream(1, "ask", step))
    found = CHALLENGE.judge([Case(PROBLEM.tasks[0], answer) for answer in answers])
    judged = [
        Judged(PROBLEM.tasks[0], answer, score if scores is None else scores(i, score), f"a{step}.{i}")
        for i, (answer, score) in enumerate(zip(answers, found))
    ]
    return solver.tell(PROBLEM, state, judged, stream(1, "tell", step)), judged


def after(solver: TttDiscover, steps: int) -> tuple[State, list[list[Judged]]]:
    state, history = solver.start(PROBLEM, stream(1, "start")), []
    for step in range(steps):
        state, judged = stepped(solver, state, step)
        history.append(judged)
    return state, history


def same(one: State, two: State) -> bool:
    weights = all((one.policy.weights[name] == two.policy.weights[name]).all() for name in one.policy.weights)
    scores = np.array_equal(one.archive.scores(), two.archive.scores())
    return weights and scores and (one.known, one.best, one.figures, one.step) == (
        two.known, two.best, two.figures, two.step,
    )  # fmt: skip


# ── what is asked ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_seeds_first_then_groups_from_distinct_lineages() -> None:
    state, (seeds, first, second, third) = after(SMALL, 4)
    assert [one.answer.note.get("seed") for one in seeds] == [True] * 3
    for judged in (first, second, third):
        assert len(judged) == 12
        groups = [one.answer.note["group"] for one in judged]
        assert groups == sorted(groups)
        starts = {(one.answer.note["group"], one.answer.note["start"]) for one in judged}
        assert len(starts) == len({start for _, start in starts}) == 3
    attempts = {one.attempt: one for judged in (seeds, first, second, third) for one in judged}
    for one in (*first, *second, *third):
        assert attempts[one.answer.parents[0]].score.known  # the lineage is the ledger's
    assert state.step == 3
    assert SMALL.ask(PROBLEM, replace(state, step=4), stream(0)) == []


def test_without_reuse_every_step_has_seeds_of_its_own() -> None:
    state, history = after(replace(SMALL, reuse="none"), 6)
    assert [bool(judged[0].answer.note.get("seed")) for judged in history] == [True, False] * 3
    contents = {json.dumps(one.answer.content) for judged in history[::2] for one in judged}
    assert len(contents) == 9
    assert len(state.archive) == 0
    assert state.best == max(-one.score.parts["c5"] for judged in history for one in judged)


def test_epsilon_greedy_and_mu_plus_lambda_choose_among_the_best() -> None:
    archive = StateArchive()
    archive.seed([float(value) for value in range(20)], [str(value) for value in range(20)])
    rng = np.random.default_rng(0)
    greedy = [s for _ in range(500) for s in TttDiscover(reuse="epsilon-greedy").chosen(archive, rng)]
    assert np.mean([state == 19 for state in greedy]) == pytest.approx(0.9 + 0.1 / 20, abs=0.02)
    assert set(greedy) == set(range(20))
    best = [s for _ in range(50) for s in TttDiscover(reuse="mu-plus-lambda", mu=4).chosen(archive, rng)]
    assert set(best) == {16, 17, 18, 19}


def test_starts_carry_their_value_and_that_of_the_state_before() -> None:
    state, history = after(SMALL, 3)
    values = {one.attempt: -one.score.parts["c5"] for judged in history for one in judged}
    parents = {one.attempt: one.answer.parents for judged in history for one in judged}
    for row, known in state.known.items():
        start = SMALL.begun(state, row)
        assert start.value == values[known.attempt]
        assert start.before == (values[parents[known.attempt][0]] if parents[known.attempt] else None)
        assert c5(start.content) == pytest.approx(-values[known.attempt])  # type: ignore[arg-type]


# ── what is learned ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Recorder:
    """A proposer that keeps what it is taught."""

    taught: list[tuple[Sample, ...]]

    def start(self, task: Task, rng: Any) -> int:
        return 0

    def seeds(self, task: Task, count: int, rng: Any) -> list[Any]:
        return [[0.5] * 3] * count  # equal seeds are one state

    def propose(self, task: Task, policy: int, starts: Any, rollouts: int, progress: float, rng: Any) -> Any:
        return [[Draft([0.5, 0.4, 0.6], {"i": i}, {"tokens": 7}) for i in range(rollouts)] for _ in starts]

    def learn(self, task: Task, policy: int, samples: Any, recipe: Any) -> Any:
        self.taught.append(tuple(samples))
        return policy + 1, {"kl": 0.5}


@dataclass(frozen=True, kw_only=True)
class Watched(TttDiscover):
    recorder: Any = None

    def proposer(self, task: Task) -> Any:
        return self.recorder


VALUES = [1.0, 2.0, 4.0, None, "host"]


def scored(i: int, score: Score) -> Score:
    value = VALUES[i % 5]
    if value is None:
        return Score.failed(FaultKind.INVALID)
    return Score.failed(FaultKind.LOST) if value == "host" else Score(value, {"c5": 1 / value})  # type: ignore[operator,arg-type]


def reference(rewards: list[float], objective: str) -> list[float]:
    r = np.array(rewards)
    if objective == "mean":
        return list(r - r.mean())
    beta = 2.0
    if objective == "adaptive":  # by a plain scan for KL = ln 2
        betas = np.linspace(0, 20, 400_001)
        q = np.exp(betas[:, None] * (r - r.max()))
        q /= q.sum(axis=1, keepdims=True)
        kl = (q * np.log(np.maximum(len(r) * q, 1e-300))).sum(axis=1)
        beta = betas[np.argmax(kl >= np.log(2))]
    w = np.exp(beta * (r - r.max()))
    return [float(w[i] / np.delete(w, i).mean() - 1) for i in range(len(r))]


@pytest.mark.parametrize("objective", ["adaptive", "constant", "mean"])
def test_one_step_on_all_groups_with_failures_as_zero_and_others_faults_left_out(objective: Any) -> None:
    recorder = Recorder([])
    solver = Watched(steps=3, groups=1, rollouts=5, objective=objective, recorder=recorder)
    state, _ = stepped(solver, solver.start(PROBLEM, stream(0)), 0)
    state, _ = stepped(solver, state, 1, scored)
    assert state.policy == len(recorder.taught) == 1
    samples = recorder.taught[0]
    assert [sample.action["i"] for sample in samples] == [0, 1, 2, 3]
    assert [s.advantage for s in samples] == pytest.approx(reference([1, 2, 4, 0], objective), rel=1e-3)
    assert {(s.start.value, s.progress) for s in samples} == {(-0.5, 0.0)}
    assert state.figures["zero"] == 0.4
    assert state.figures["kl"] == 0.5
    assert state.best == -0.25


def test_equal_groups_and_frozen_proposers_take_no_step() -> None:
    for settings in ({"objective": "none"}, {}):
        recorder = Recorder([])
        solver = Watched(steps=3, groups=1, rollouts=5, recorder=recorder, **settings)
        state, _ = stepped(solver, solver.start(PROBLEM, stream(0)), 0)
        state, _ = stepped(solver, state, 1)  # all make the same construction
        assert (state.policy, recorder.taught) == (0, [])
        assert state.step == 1


def test_of_equal_constructions_one_joins_the_archive() -> None:
    solver = Watched(steps=3, groups=2, rollouts=5, recorder=Recorder([]))
    state, seeds = stepped(solver, solver.start(PROBLEM, stream(0)), 0)
    assert (len(seeds), len(state.archive)) == (2, 1)
    state, _ = stepped(solver, state, 1)
    assert len(state.archive) == 2


def test_seeds_that_all_fail_are_an_error_and_no_endless_loop() -> None:
    with pytest.raises(SolverError, match="seeds that the verifier accepts"):
        stepped(SMALL, SMALL.start(PROBLEM, stream(0)), 0, lambda i, score: Score.failed(FaultKind.INVALID))


def test_frozen_weights_stay_and_trained_weights_move() -> None:
    for objective, moves in (("none", False), ("adaptive", True)):
        solver = replace(SMALL, objective=objective)
        fresh = solver.start(PROBLEM, stream(1, "start")).policy
        state, _ = after(solver, 3)
        moved = any((state.policy.weights[name] != value).any() for name, value in fresh.weights.items())
        assert moved is moves
        assert state.policy.steps == (2 if moves else 0)


def test_ask_and_tell_leave_the_old_state_as_it_was() -> None:
    state, _ = after(SMALL, 2)
    before = state.archive.scores(), dict(state.known), state.policy.weights["head0"].copy()
    one, _ = stepped(SMALL, state, 2)
    two, _ = stepped(SMALL, state, 2)
    assert same(one, two)
    assert np.array_equal(state.archive.scores(), before[0])
    assert state.known == before[1]
    assert (state.policy.weights["head0"] == before[2]).all()


def test_a_hundredfold_reward_changes_the_constant_objective_only() -> None:
    for objective, alike in (("adaptive", True), ("constant", False)):
        solver, challenge = TttDiscover(objective=objective, steps=6), ErdosOverlap()  # type: ignore[arg-type]
        _, plain = attempted(solver, challenge, challenge.judge, 101)
        _, scaled = attempted(solver, challenge, HundredfoldVerifier(), 101)
        assert ([one.content for one in plain] == [one.content for one in scaled]) is alike


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_saved_state_goes_on_as_the_first_would(tmp_path: Path) -> None:
    for number, (solver, steps) in enumerate(((SMALL, 3), (SMALL, 0), (replace(SMALL, reuse="none"), 2))):
        state, _ = after(solver, steps)
        folder = tmp_path / str(number)
        folder.mkdir()
        solver.save(state, folder)
        again = solver.load(folder)
        assert same(state, again)
        assert same(stepped(solver, state, 3)[0], stepped(solver, again, 3)[0])


KILLED = """
import os, signal, sys
import torch
from guerdon import Ledger, run
from guerdon.bench.bench import Bench
from guerdon.core import faultpoint
from guerdon.systems.ttt_discover.problems.erdos import ErdosOverlap
from guerdon.systems.ttt_discover.solver import TttDiscover

Bench.QUICK_S = -1.0  # every write by itself, so that the points are as many each time however fast the machine is

def work(path, checkpoint_s, kill_at=None):
    count = 0
    def hook(name):
        nonlocal count
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
    faultpoint.hook = hook
    solver = TttDiscover(steps=5, groups=3, rollouts=4)
    with Ledger.open(path) as book:
        done = run(solver, ErdosOverlap(pieces=12), ledger=book, budget=1000, seed=5, checkpoint_s=checkpoint_s)
        return [
            (attempt.id, attempt.answer.content, attempt.answer.note, verdict.score)
            for attempt, verdict in book.judged(done.id)
        ], count

torch.set_num_threads(1)  # no threads that a fork would lose
folder = sys.argv[1]
for checkpoint_s in (0.0, 1e9):
    whole, points = work(f"{folder}/whole{checkpoint_s}.db", checkpoint_s)
    assert len(whole) == 3 + 5 * 12 and points > 12, (len(whole), points)
    for point in range(3, points, 8):
        path = f"{folder}/{point}-{checkpoint_s}.db"
        child = os.fork()
        if child == 0:
            work(path, checkpoint_s, point)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, (point, status)
        assert work(path, checkpoint_s)[0] == whole, f"killed at point {point}: the history differs"
print("points", points)
"""


def test_killed_anywhere_it_resumes_to_the_same_attempts(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "points" in done.stdout


def test_the_budget_is_kept_and_figures_are_shown(tmp_path: Path) -> None:
    figures: list[Any] = []
    done = run(
        TttDiscover(), CHALLENGE, ledger=tmp_path / "l.db", budget=100, on_progress=lambda p: figures.append(p.figures)
    )
    assert done.spent["attempts"] == 100
    assert {"step", "c5", "zero", "entropy", "kl", "states", "taught"} <= set(figures[-1])
    ((_, verdict),) = done.best()
    assert figures[-1]["c5"] == verdict.score.parts["c5"]
    with Ledger.open(tmp_path / "l.db") as book:
        notes = [attempt.answer.note for attempt, _ in book.judged(done.id)]
    assert [note["figures"]["entropy"] > 0 for note in notes if note.get("figures")] == [True]  # in the second step


def test_baselines_make_as_many_attempts_with_the_first_policy(tmp_path: Path) -> None:
    for solver in (BestOfN(steps=3), Evolution(steps=3)):
        done = run(solver, CHALLENGE, ledger=tmp_path / "l.db", budget=10_000)
        with Ledger.open(tmp_path / "l.db") as book:
            answers = [attempt.answer for attempt, _ in book.judged(done.id)]
        assert sum("seed" not in answer.note for answer in answers) == 3 * 64
        drawn = [answer.note["action"]["logp"] for answer in answers if "seed" not in answer.note]
        assert np.allclose(drawn, -np.log([6, 6, 5, 3]))  # uniform to the end


def test_unusable_settings_and_problems_are_refused() -> None:
    for settings in ({"steps": 0}, {"epsilon": 2.0}, {"objective": "best"}, {"reuse": "some"}, {"lr": -1.0}):
        with pytest.raises(ConfigError):
            TttDiscover(**settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="has moves for"):
        TttDiscover().start(Problem("x", (Task("x", {"problem": "erdos"}),)), stream(0))
    with pytest.raises(ConfigError, match="one task"):
        TttDiscover().start(Problem("x", (Task("x"), Task("y"))), stream(0))


def test_notes_that_were_lost_are_an_error_in_words() -> None:
    state, _ = after(SMALL, 1)
    lost = [Judged(PROBLEM.tasks[0], Answer(PROBLEM.tasks[0].id, [0.5] * 12), Score(2.0, {"c5": 0.5}), "a")]
    with pytest.raises(SolverError, match="own notes"):
        SMALL.tell(PROBLEM, state, lost, stream(0))


def test_every_arm_of_the_experiment_measures_what_its_claims_read() -> None:
    experiment = Overlap(pieces=8)
    found = {arm: experiment.run(arm, 101, "smoke") for arm in experiment.arms}
    for claim in experiment.claims:
        if hasattr(claim, "measure"):
            assert found[claim.treatment][claim.measure] is not None
    assert found["full"]["c5"] == found["full, reward x 100"]["c5"]


def test_an_interrupted_run_measures_nothing() -> None:
    class Stopping(type(CHALLENGE.judge)):  # type: ignore[misc]
        def judge(self, cases: Any) -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            return super().judge(cases)

    with pytest.raises(SolverError, match="a whole run: it was interrupted"):
        attempted(SMALL, CHALLENGE, Stopping(), 1)


def test_the_refutations_count_seeds() -> None:
    claims = {claim.name: claim for claim in Overlap.claims}
    reuse, training = claims["full-against-best-of-n"], claims["training-adds-to-reuse"]
    far = {"full": {s: {"c5": 0.38} for s in range(5)}, "best of n": {s: {"c5": 0.43} for s in range(5)}}
    assert not reuse.refutes(far)  # type: ignore[union-attr,misc]
    far["best of n"][3] = {"c5": 0.39}
    assert reuse.refutes(far)  # type: ignore[union-attr,misc]
    for worse, refuted in ((0, False), (1, False), (2, True)):
        rows = {"full": {s: {"c5": 0.39 if s < worse else 0.38} for s in range(5)}}
        rows["frozen"] = {s: {"c5": 0.385} for s in range(5)}
        assert training.refutes(rows) is refuted  # type: ignore[union-attr,misc]
