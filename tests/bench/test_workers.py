import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from bench_helpers import Climber, Guess, Near, Threads, history

from guerdon import Answer, Case, ConfigError, Ledger, Score, Task, reward, run
from guerdon.bench.workers import Workers, open_workers, unpack
from guerdon.core.algebra import ranked

CREWS = ["inline", "processes:1", "processes:2", pytest.param("ray", marks=pytest.mark.ray)]


@pytest.fixture(scope="module", params=CREWS)
def spec(request: pytest.FixtureRequest) -> Iterator[str]:
    name = str(request.param)
    if name == "ray":
        ray = pytest.importorskip("ray", reason='needs pip install "guerdon[ray]"')
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("guerdon.bench.loading._files", {})  # what other tests loaded, Ray would have to refuse
            ray.init(
                num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": path}}
            )
            yield name
            ray.shutdown()
    else:
        yield name


def cases(contents: Sequence[object], key: int = 0) -> list[Case]:
    return [Case(Task(f"t{i % 3}"), Answer(f"t{i % 3}", content), key) for i, content in enumerate(contents)]  # type: ignore[arg-type]


def scores(workers: Workers, batch: Sequence[Case]) -> list[Score]:
    return unpack(workers.judge(batch), len(batch))


def test_scores_come_back_in_order_once_each(spec: str) -> None:
    with open_workers(spec, Near()) as workers:
        batch = cases(list(range(50)))
        assert [s.value for s in scores(workers, batch)] == [1 / (1 + i) for i in range(50)]
        assert scores(workers, []) == []
        assert [s.value for s in scores(workers, batch[:1])] == [1.0]


def test_groups_are_never_split(spec: str) -> None:
    with open_workers(spec, Near().by_group(ranked)) as workers:
        batch = cases([float(i) for i in range(30)])
        found = [s.value for s in scores(workers, batch)]
        assert found == pytest.approx([1 - (i // 3) / 9 for i in range(30)])


def test_an_answer_that_kills_its_judge_is_quarantined_and_the_rest_is_judged(spec: str) -> None:
    if spec == "inline":
        pytest.skip("judging in one's own process has no protection from a judge that dies: that is what inline means")
    with open_workers(spec, Near()) as workers:
        batch = cases([0, "die", 1, 2, 3, 4, 5, 6, 7])
        found = scores(workers, batch)
        assert [s.value for s in found if s.value is not None] == [1 / (1 + i) for i in range(8)]
        assert found[1].fault is not None
        assert (found[1].fault.kind, found[1].fault.whose) == ("crash", "judge")
        assert [s.value for s in scores(workers, batch[2:])] == [1 / (1 + i) for i in range(1, 8)]


def test_a_judge_that_hangs_is_killed_and_the_rest_is_judged(spec: str) -> None:
    if spec == "inline":
        pytest.skip("judging in one's own process cannot be killed: that is what inline means")
    with open_workers(spec, Near(), patience_s=1.5) as workers:
        batch = cases([0, "hang", 1, 2])
        list(workers.judge(batch[2:]))  # started and warm before the clock of the hang matters
        found = scores(workers, batch)
        assert [s.value for s in found] == [1.0, None, 0.5, 1 / 3]
        assert found[1].fault is not None
        assert found[1].fault.kind == "timeout"


def test_a_run_has_the_same_history_with_any_workers(spec: str, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "a.db") as one, Ledger.open(tmp_path / "b.db") as two:
        first = run(Climber(faulty=0.2), Guess(), ledger=one, budget=60)
        second = run(Climber(faulty=0.2), Guess(), ledger=two, budget=60, workers=spec)
        assert history(one, first.id) == history(two, second.id)


def test_a_judge_that_cannot_be_sent_says_what_to_do() -> None:
    local = reward(lambda text: 1.0)
    with open_workers("processes:1", local) as workers, pytest.raises(ConfigError, match="use --workers inline"):
        scores(workers, cases([1]))


@pytest.mark.parametrize("spec", ["processes:0", "processes:x", "threads", ""])
def test_unknown_workers_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError):
        open_workers(spec, Near())


def test_worker_processes_die_with_their_parent(tmp_path: Path) -> None:
    script = f"""
import sys, os, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from bench_helpers import Near
from guerdon import Answer, Case, Task
from guerdon.bench.workers import open_workers
if __name__ == "__main__":
    workers = open_workers("processes:2", Near())
    batch = [Case(Task("t"), Answer("t", i), 0) for i in range(4)] + [Case(Task("u"), Answer("u", "hang"), 0)]
    for _ in workers.judge(batch):
        print(*[slot.process.pid for slot in [*workers._busy, *workers._idle]], flush=True)
"""
    file = tmp_path / "parent.py"
    file.write_text(script)
    with subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert pids
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(("given", "want"), [(None, 1), ("3", 3)])
def test_processes_share_the_cores_among_their_numerical_libraries(
    monkeypatch: pytest.MonkeyPatch, given: str | None, want: int
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    size = os.cpu_count() or 1
    with open_workers(f"processes:{size}", Threads()) as workers:
        assert {s.value for s in scores(workers, cases([0] * size))} == {1.0 / want}
    assert os.environ.get("OMP_NUM_THREADS") == given
