"""What the oracle tells, what it hides, and what it makes of hostile answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from guerdon.bench.check import check
from guerdon.bench.rejudge import rejudge
from guerdon.bench.run import run
from guerdon.bench.vault import Vault
from guerdon.cli.rejudge import app as rejudge_app
from guerdon.core.errors import ConfigError
from guerdon.core.score import FaultKind
from guerdon.core.task import Answer
from guerdon.ledger import Ledger
from guerdon.systems.zo_ranksgd.challenge import RankedFunction
from guerdon.systems.zo_ranksgd.objective import Objective, points_of, quadratic, rosenbrock
from guerdon.systems.zo_ranksgd.solver import ZoRankSgd
from guerdon.systems.zo_ranksgd.trial import hidden_value


def judged(challenge: RankedFunction, contents: Any, **note: Any) -> Any:
    cases = Vault(challenge, "main").cases([Answer("find", each, note={"group": "0", **note}) for each in contents])
    return challenge.judge(cases)


def test_losses_are_those_of_the_textbook() -> None:
    from scipy.optimize import rosen

    points = np.random.default_rng(0).normal(size=(5, 7))
    assert rosenbrock(points) == pytest.approx([rosen(point) for point in points])
    assert quadratic(points) == pytest.approx([point @ point for point in points])


@pytest.mark.parametrize("function", ["quadratic", "rosenbrock"])
def test_the_oracle_ranks_by_the_hidden_loss(function: str) -> None:
    challenge = RankedFunction(function=function, dim=6, m=8, k=3, start_seed=4)
    points = np.random.default_rng(1).normal(size=(8, 6))
    losses = {"quadratic": quadratic, "rosenbrock": rosenbrock}[function](points + np.array(challenge.start()))
    order = np.argsort(losses).tolist()
    scores = judged(challenge, points.tolist())
    assert [score.value for score in scores] == [7.0 - order.index(i) if order.index(i) < 3 else 0.0 for i in range(8)]
    assert not any(score.parts or score.fault for score in scores)
    assert [s.value for s in judged(challenge, points.tolist(), best=1)].count(7.0) == 1
    assert sum(s.value for s in judged(challenge, points.tolist(), best=1)) == 7.0
    assert hidden_value(challenge, points) == pytest.approx((-losses).tolist())


def test_values_are_told_only_where_that_is_asked_for() -> None:
    challenge = RankedFunction(dim=2, tell="values")
    (score,) = judged(challenge, [[0.0, 0.0]])
    assert score.value == pytest.approx(-float(np.square(challenge.start()).sum()))


def test_the_start_is_hidden_unless_it_is_shown() -> None:
    (task,) = RankedFunction(dim=3).tasks("main")
    assert task.data["start"] == [0.0, 0.0, 0.0]
    open_one = RankedFunction(dim=3, hidden=False)
    (task,) = open_one.tasks("main")
    assert task.data["start"] == open_one.start()
    assert hidden_value(open_one, np.zeros((1, 3))) == [0.0]
    assert RankedFunction(dim=3).start() != RankedFunction(dim=3, start_seed=1).start()
    assert np.std(RankedFunction(dim=4000, function="rosenbrock").start()) == pytest.approx(0.5, rel=0.05)


HOSTILE: list[Any] = [
    None, True, 3, 1e9, "[0, 0, 0]", b"", {}, {"0": 0.0}, [], [[0.0, 0.0, 0.0]], [0.0, 0.0], [0.0] * 4,
    [True, False, True], ["1", "2", "3"], [None] * 3, [float("nan")] * 3, [float("inf")] * 3, [1e101] * 3,
    [10**400] * 3, [0.0] * 10**6, [[]] * 3, [{}] * 3,
]  # fmt: skip


@pytest.mark.parametrize("function", ["quadratic", "rosenbrock"])
def test_hostile_answers_are_faults_and_the_rest_is_ranked(function: str) -> None:
    challenge = RankedFunction(function=function, dim=3)
    start = time.monotonic()
    scores = judged(challenge, [[0.1, 0.2, 0.3], *HOSTILE, [9.0, 9.0, 9.0]])
    assert time.monotonic() - start < 30.0  # hang guard, not a measure
    assert [score.value for score in (scores[0], scores[-1])] == [1.0, 0.0]
    for content, score in zip(HOSTILE, scores[1:-1], strict=True):
        assert score.fault is not None, content
        assert (score.fault.kind, score.fault.whose) == (FaultKind.INVALID, "solver")
        assert "3 finite numbers is expected" in score.fault.detail


def test_points_far_away_have_no_rank_and_raise_nothing() -> None:
    challenge = RankedFunction(function="rosenbrock", dim=3)
    scores = judged(challenge, [[1e99, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.9]])
    assert scores[0].fault.kind == FaultKind.INVALID
    assert sorted(score.value for score in scores[1:]) == [0.0, 1.0]


def test_its_self_check_passes() -> None:
    for fields in ({}, {"function": "rosenbrock"}, {"hidden": False}, {"tell": "values"}, {"k": 1}):
        findings = list(check(RankedFunction(dim=5, **fields), on_step=lambda text: None))  # type: ignore[arg-type]
        assert all(finding.ok is not False for finding in findings), findings
        assert sum(finding.ok is True for finding in findings) >= 5


@pytest.mark.parametrize(
    "fields", [{"m": 1}, {"k": 0}, {"k": 16}, {"dim": 0}, {"function": "quadratik"}, {"function": "no.such:thing"}]
)
def test_oracles_and_functions_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RankedFunction(**fields)


@pytest.fixture
def bowl(tmp_path: Path) -> str:
    (tmp_path / "bowl.py").write_text(
        "import numpy as np\n"
        "def bowl(x):\n"
        "    if x[0] > 50: raise ValueError('out of the bowl')\n"
        "    if x[0] > 40: return float('nan')\n"
        "    return abs(x - 2).sum()\n"
    )
    return str(tmp_path / "bowl.py:bowl")


def test_a_function_of_one_s_own_is_minimised(bowl: str) -> None:
    challenge = RankedFunction(function=bowl, dim=4, hidden=False, spread=1e-9)
    scores = judged(challenge, [[60.0] * 4, [45.0] * 4, [2.0] * 4, [0.0] * 4])
    assert [score.value for score in scores] == [None, None, 1.0, 0.0]
    assert not any("bowl" in str(score.fault) for score in scores if score.fault)
    assert challenge.fingerprint() != RankedFunction(dim=4).fingerprint()
    with pytest.raises(ConfigError, match="defines"):
        RankedFunction(function=bowl.replace(":bowl", ":bowel"))


def test_a_run_knows_nothing_of_a_loss_but_its_order(tmp_path: Path) -> None:
    """A loss bent beyond recognition, but in the same order, gives the same run to the last digit."""
    (tmp_path / "bent.py").write_text(
        "import numpy as np\n"
        "def plain(x): return np.square(x).sum()\n"
        "def bent(x): return 1e6 * np.arctan(np.log1p(np.square(x).sum())) - 7\n"
    )
    histories = []
    for name in ("plain", "bent"):
        challenge = RankedFunction(function=f"{tmp_path}/bent.py:{name}", dim=10, k=7, noise=0.1)
        done = run(ZoRankSgd(), challenge, ledger=tmp_path / f"{name}.db", budget=500)
        with Ledger.open(tmp_path / f"{name}.db") as book:
            histories.append([(a.answer.content, a.answer.note, v.score) for a, v in book.judged(done.id)])
    assert histories[0] == histories[1]


def test_what_was_hidden_is_recorded_afterwards_and_the_solver_never_saw_it(tmp_path: Path) -> None:
    challenge = RankedFunction(dim=10, m=6, k=6)
    path = tmp_path / "g.db"
    done = run(ZoRankSgd(), challenge, ledger=path, budget=300)
    with Ledger.open(path) as book:
        before = {a.id: v.score.value for a, v in book.judged(done.id)}
        assert rejudge(book, done.id, challenge, judge=Objective(), which="all") == len(before)
        after = {a.id: v.score.value for a, v in book.judged(done.id)}
        first = {a.id: v.score.value for a, v in book.judged(done.id, first=True)}
        assert first == before
        points = {a.id: a.answer.content for a, _ in book.judged(done.id)}
    assert set(before.values()) <= {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    wanted = hidden_value(challenge, np.array(list(points.values())))
    assert list(after.values()) == pytest.approx(wanted)
    ((_, best),) = done.best()
    assert best.score.value == max(after.values())
    # A longer run goes on from the rankings, not from what was recorded since.
    more = run(ZoRankSgd(), challenge, ledger=path, budget=400)
    whole = run(ZoRankSgd(), challenge, ledger=tmp_path / "whole.db", budget=400)
    with Ledger.open(path) as one, Ledger.open(tmp_path / "whole.db") as two:
        assert [a.answer.content for a, _ in one.judged(more.id)] == [a.answer.content for a, _ in two.judged(whole.id)]


def test_the_command_line_records_it_too(tmp_path: Path) -> None:
    path = str(tmp_path / "g.db")
    done = run(ZoRankSgd(), RankedFunction(dim=10), ledger=path, budget=100)
    words = [done.id, "--which", "all", "--reward", "guerdon.systems.zo_ranksgd.objective:Objective", "--ledger", path]
    result = CliRunner().invoke(rejudge_app("rejudge", words), words)
    assert result.exit_code == 0, result.output
    ((_, best),) = done.best()
    assert best.score.value < 0


def test_points_of_keeps_the_order() -> None:
    rows, points, wrong = points_of([[1, 2.5], None, (3.0, 4.0)], 2)
    assert rows == [0, 2]
    assert points.tolist() == [[1.0, 2.5], [3.0, 4.0]]
    assert list(wrong) == [1]
    assert Objective()([]) == []
