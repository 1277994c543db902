"""The engine: what is run, what is not run again, what becomes of faults, and what is recorded."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from bench_experiments import Effect

from guerdon import ConfigError, Ledger
from guerdon.bench import experiment as engine
from guerdon.bench import reproduce
from guerdon.bench.experiment import EachOnce, Experiment, Job, Jobs, conduct, module_digest
from guerdon.bench.interrupt import Interrupt
from guerdon.bench.loading import cards
from guerdon.bench.reproduce import Source, blocked, find, record, recorded, seeds_of, tally
from guerdon.testing.solver import SolverContract

HERE = Path(__file__).parent


def made(experiment: Experiment, path: Path, **options: Any) -> dict[str, Any]:
    source = Source("effect", (experiment,), path / "reproductions", path)
    with Ledger.open(path / "a.db") as book:
        return reproduce.reproduce(source, book, workers=options.pop("workers", "inline"), **options)


def has_experiment(slug: str) -> bool:
    return importlib.util.find_spec(f"{reproduce._package(slug)}.experiment") is not None


def claim(document: dict[str, Any]) -> dict[str, Any]:
    (part,) = document["experiments"]
    found: dict[str, Any] = part["claims"][0]
    return found


@pytest.mark.parametrize(
    ("effect", "word"), [(1.0, "supported"), (0.0, "refuted"), (-1.0, "refuted"), (0.5, "inconclusive")]
)
def test_known_effects_get_their_verdicts(tmp_path: Path, effect: float, word: str) -> None:
    document = made(Effect(effect=effect), tmp_path)
    assert claim(document)["verdict"] == word
    assert claim(document)["estimate"] == pytest.approx(effect, abs=0.2)
    assert not blocked(document)
    json.dumps(document, allow_nan=False)


def test_a_measure_that_is_none_is_unknown_and_not_zero(tmp_path: Path) -> None:
    (part,) = made(Effect(), tmp_path)["experiments"]
    assert set(part["measures"]["control"]["11"]) == {"x"}
    assert part["means"]["control"]["x"] == pytest.approx(
        sum(part["measures"]["control"][str(seed)]["x"] for seed in part["seeds"]) / 5
    )


def executions(log: Path) -> Counter[str]:
    return Counter(log.read_text(encoding="utf-8").split())


def test_finished_jobs_are_not_done_again_and_more_seeds_do_only_what_is_new(tmp_path: Path) -> None:
    log = tmp_path / "log"
    experiment = Effect(log=str(log))
    first = made(experiment, tmp_path, seeds=3)
    made(experiment, tmp_path, seeds=3)
    again = made(experiment, tmp_path, seeds=7)
    assert set(executions(log).values()) == {1}
    assert len(executions(log)) == 14
    assert again["experiments"][0]["seeds"] == [11, 12, 13, 14, 15, 16, 17]
    for arm, found in first["experiments"][0]["measures"].items():
        assert found.items() <= again["experiments"][0]["measures"][arm].items()
    made(experiment, tmp_path, seeds=3, fresh=True)
    assert sorted(executions(log).values()) == [1] * 8 + [2] * 6
    made(experiment, tmp_path, seeds=3)
    made(Effect(log=str(log), effect=2.0), tmp_path, seeds=3)
    made(experiment, tmp_path, seeds=3, scale="full")
    assert sorted(executions(log).values()) == [1] * 8 + [4] * 6


def test_changed_code_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    made(Effect(log=str(log)), tmp_path, seeds=3)
    monkeypatch.setattr(engine, "module_digest", lambda name: "other")
    made(Effect(log=str(log)), tmp_path, seeds=3)
    assert set(executions(log).values()) == {2}


def test_the_digest_of_code_ignores_comments_and_sees_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "some_package"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest_of(text: str) -> str:
        (folder / "__init__.py").write_text("", encoding="utf-8")
        (folder / "part.py").write_text(text, encoding="utf-8")
        module_digest.cache_clear()
        return module_digest("some_package")

    assert digest_of("a = 1\n") == digest_of("a  =  1  # one\n") != digest_of("a = 2\n")


def test_code_that_is_not_there_is_no_silent_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Effect, "modules", ("guerdon.no_such_room",))
    with pytest.raises(ConfigError, match="has no source"):
        Effect().fingerprint()
    monkeypatch.setattr(Effect, "modules", ("guerdon.core.rng",))
    narrow = Effect().fingerprint()
    monkeypatch.setattr(Effect, "modules", ())
    assert narrow != Effect().fingerprint()


@pytest.mark.parametrize(
    ("how", "workers", "said"),
    [
        ("raise", "processes:2", "ValueError: no data for"),
        ("text", "inline", "got str"),
        ("die", "processes:2", "killed its judge twice"),
        ("hang", "processes:2", "hung for"),
    ],
)
def test_a_job_that_fails_is_a_fault_and_leaves_its_claim_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, workers: str, said: str
) -> None:
    experiment = Effect(bad="control", how=how)
    options = {"seeds": 3, "workers": workers} | ({"patience_s": 1.5, "seeds": 1} if how == "hang" else {})
    monkeypatch.setattr("guerdon.bench.workers.START_S", 20.0)  # a busy machine starts slowly
    document = made(experiment, tmp_path, **options)
    assert claim(document)["verdict"] == "inconclusive"
    assert "x of control in seed 11" in claim(document)["reason"]
    (part,) = document["experiments"]
    assert all(said in fault["detail"] for fault in part["faults"])
    assert {fault["arm"] for fault in part["faults"]} == {"control"}
    assert blocked(document)
    assert part["measures"]["treatment"]["11"]


def test_no_number_is_missing_without_a_fault(tmp_path: Path) -> None:
    document = made(Effect(bad="control", how="nan"), tmp_path, seeds=3)
    assert claim(document)["missing"]
    assert document["experiments"][0]["faults"] == []
    assert not blocked(document)


def test_only_what_failed_is_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    experiment = Effect(log=str(log), bad="control", how="once")
    for _ in range(3):
        made(experiment, tmp_path, seeds=3)
    assert executions(log) == {
        "control/12": 3, "control/11": 1, "control/13": 1, "treatment/11": 1, "treatment/12": 1, "treatment/13": 1,
    }  # fmt: skip


KILLED = """
import sys
sys.path.insert(0, {here!r})
from bench_experiments import Effect
from guerdon import Ledger
from guerdon.bench.experiment import conduct
if __name__ == "__main__":
    with Ledger.open({book!r}) as book:
        conduct(Effect(log={log!r}), ledger=book, workers="processes:2")
"""


def test_killed_in_mid_run_the_same_command_does_only_the_rest(tmp_path: Path) -> None:
    log, script, book = tmp_path / "log", tmp_path / "go.py", tmp_path / "a.db"
    script.write_text(KILLED.format(here=str(HERE), book=str(book), log=str(log)), encoding="utf-8")
    hold = tmp_path / "log.hold"
    hold.touch()  # the first two seeds are done, and both workers wait in the third
    process = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 60
    while not (log.exists() and len(log.read_text().split()) >= 6) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Ledger.open(book) as ledger:
        begun = len(log.read_text().split())
        done = {a.answer.task for row in ledger.runs() for a, v in ledger.judged(row.id) if v is not None}
        assert (begun, len(done)) == (6, 4)
        time.sleep(0.5)  # until the killed workers have gone with their parent
        hold.unlink()
        results = conduct(Effect(log=str(log)), ledger=ledger, workers="processes:2")
        assert [row.status for row in ledger.runs()] == ["done"]
    assert {len(by_seed) for by_seed in results.measures.values()} == {5}
    assert results.faults == []
    counts = executions(log)
    assert {counts[name] for name in done} == {1}
    assert len(counts) == 10
    assert sum(counts.values()) <= 10 + (begun - len(done))


def test_a_record_comes_back_as_it_was_and_smoke_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = made(Effect(), tmp_path)
    source = Source("effect", (Effect(),), tmp_path / "reproductions", tmp_path)
    record(source, document)
    monkeypatch.setattr(reproduce, "RECORDS", tmp_path / "reproductions")
    assert recorded("effect") == document
    assert recorded("nothing") is None
    assert tally(document) == {"supported": 1}
    assert document["machine"]["cores"] >= 1
    with pytest.raises(ConfigError, match="smoke"):
        record(source, {**document, "scale": "smoke"})


def test_seeds_are_declared_and_counted_on() -> None:
    assert seeds_of(Effect(), "desk") == (11, 12, 13, 14, 15)
    assert seeds_of(Effect(), "smoke") == (11, 12, 13)
    assert seeds_of(Effect(), "desk", 2) == (11, 12)
    assert seeds_of(Effect(), "desk", 7) == (11, 12, 13, 14, 15, 16, 17)
    with pytest.raises(ConfigError, match="at least one seed"):
        seeds_of(Effect(), "desk", 0)


def test_shipped_experiments_are_found_and_others_by_file(tmp_path: Path) -> None:
    assert [each.name for each in find("programming-puzzles").experiments] == ["ladder", "prompt-loop"]
    assert find(str(HERE / "bench_experiments.py")).slug == "bench_experiments"
    (tmp_path / "empty.py").write_text("EXPERIMENTS = ()\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="declares EXPERIMENTS"):
        find(str(tmp_path / "empty.py"))
    with pytest.raises(ConfigError, match="Did you mean programming-puzzles"):
        find("programming-puzzle")


@pytest.mark.parametrize("slug", [slug for slug in cards() if has_experiment(slug)])
def test_every_systems_claims_can_be_decided(slug: str) -> None:
    for experiment in find(slug).experiments:
        assert len(experiment.seeds("smoke")) <= len(experiment.seeds("desk")) <= len(experiment.seeds("full"))
        assert len(experiment.seeds("desk")) >= 3
        for each in experiment.claims:
            assert each.statement.endswith(".")
            assert each.source


def test_claims_about_unknown_arms_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Effect, "arms", ("treatment", "controls"))
    with pytest.raises(ConfigError, match="Did you mean controls"):
        reproduce._check(Effect())


class TestEachOnce(SolverContract):
    @pytest.fixture
    def solver(self) -> EachOnce:
        return EachOnce(at_once=2)

    @pytest.fixture
    def challenge(self) -> Jobs:
        return Jobs(experiment=Effect(), scale="smoke", jobs=(("treatment", 1), ("control", 1), ("control", 2)))


def test_a_job_travels_with_its_fields() -> None:
    import pickle

    job = Job(Effect(effect=3.0), "desk")
    assert pickle.loads(pickle.dumps(job)) == job


def test_a_run_inside_a_run_leaves_interrupts_to_the_outer_one() -> None:
    with Interrupt() as outer:
        with Interrupt() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
        assert (outer.asked, inner.asked) == (True, False)
        with pytest.raises(KeyboardInterrupt), Interrupt():
            os.kill(os.getpid(), signal.SIGTERM)
    with Interrupt() as alone:
        os.kill(os.getpid(), signal.SIGTERM)
    assert alone.asked
