"""Workers judge what is handed in; killing one loses nothing and counts nothing twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hosting_helpers import ADMIN, CANARY, FREE, OneFile, all_text, contest, guess, person, wait_for

from guerdon.hosting import Host, HostingError, Limits, Phase, State, Submission
from guerdon.hosting.worker import Worker
from guerdon.testing.postgres import Server


@contextmanager
def worker_process(url: str, files: Path, name: str, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    options = ["worker", "--db", url, "--files", str(files), "--name", name, *more]
    code = "import sys; from guerdon.cli.main import main; main(sys.argv[1:])"
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    process = subprocess.Popen([sys.executable, "-c", code, *options], env={**os.environ, "PYTHONPATH": path})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_worker_judges_what_waits_and_blames_whom_it_should(host: Host) -> None:
    phase = Phase("open", "open", limits=Limits(per_day=None, concurrent=None, seconds=4.0))
    contest(host, phase)
    ann = person(host, "Ann")
    contents = [guess("open", 3, -7, 12), guess("open", 3, "die", 12), guess("open", "x", "x", "x"),
                guess("open", 1, "hang", 1), guess("open", 1, "leak", 1)]  # fmt: skip
    items = [host.submissions.submit(ann, "numbers", "open", content) for content in contents]
    told: list[str] = []
    assert Worker(host, "w1").run(drain=True, on_report=lambda report: told.append(str(report))) == 5
    assert [line.split(" ", 2)[2].split(" in ")[0] for line in told] == [
        "judged", "not judged: a fault of the judge", "refused", "refused", "not judged: a fault of the judge",
    ]  # fmt: skip
    right, dies, wrong, hangs, leaks = [host.submissions.get(ann, item.id) for item in items]
    assert right.score is not None
    assert right.score.value == 1.0
    assert (dies.fault and (dies.fault.kind, dies.fault.whose)) == ("crash", "judge")
    assert (wrong.fault and (wrong.fault.kind, wrong.fault.whose)) == ("invalid", "solver")
    assert hangs.score is not None  # the hanging item counts nothing, the others what they are worth
    assert hangs.score.value == pytest.approx((1 / 3 + 0 + 1 / 12) / 3)
    assert (leaks.fault and (leaks.fault.kind, leaks.fault.detail)) == ("judge", "")
    detail = host.submissions.get(ADMIN, leaks.id).fault
    assert detail is not None
    assert "the key is [key]" in detail.detail
    assert len(host.board("numbers", "open", ann).rows) == 1


def test_what_a_check_without_the_key_finds_is_told_on_a_sealed_phase(host: Host) -> None:
    contest(host, Phase("final", "final", limits=FREE), challenge=OneFile())
    ann = person(host, "Ann")
    good = host.submissions.submit(ann, "numbers", "final", b"3.5", name="good.txt")
    bad = host.submissions.submit(ann, "numbers", "final", b"three", name="../../bad.txt")
    Worker(host).run(drain=True)
    assert host.submissions.get(ann, good.id).state is State.DONE
    fault = host.submissions.get(ann, bad.id).fault
    assert fault is not None
    assert fault.sentence == "line 1: 'three' is not a number"
    assert host.submissions.answer(ann, bad.id) == b"three"
    host.contests.reveal(ADMIN, "numbers")
    score = host.submissions.get(ann, good.id).score
    assert score is not None
    assert score.value == pytest.approx(1 / 1.5)


def test_a_cancelled_submission_stops_its_worker(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    item = host.submissions.submit(ADMIN, "numbers", "open", guess("open", 1, "hang", 1))
    worker = Worker(host, seconds=1.0, poll=0.05)
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_for(lambda: host.submissions.get(ADMIN, item.id).state is State.LEASED)
    host.submissions.cancel(ADMIN, item.id)
    other = host.submissions.submit(ADMIN, "numbers", "open", guess("open", 3, -7, 12))
    wait_for(lambda: host.submissions.get(ADMIN, other.id).state is State.DONE)
    worker.stop()
    thread.join()
    assert host.submissions.get(ADMIN, item.id).state is State.CANCELLED


def test_a_worker_that_is_stopped_puts_back_what_it_has(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    item = host.submissions.submit(ADMIN, "numbers", "open", guess("open", 1, "hang", 1))
    worker = Worker(host, poll=0.05)
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_for(lambda: host.submissions.get(ADMIN, item.id).state is State.LEASED)
    worker.stop()
    thread.join()
    back = host.submissions.get(ADMIN, item.id)
    assert (back.state, back.tries, back.deaths) == (State.QUEUED, 0, 0)


def test_memory_is_limited(host: Host) -> None:
    limits = Limits(per_day=None, concurrent=None, memory_mb=4096)
    contest(host, Phase("open", "open", limits=limits))
    item = host.submissions.submit(ADMIN, "numbers", "open", guess("open", "memory", "memory", "memory"))
    Worker(host).run(drain=True)
    fault = host.submissions.get(ADMIN, item.id).fault
    assert fault is not None
    assert "MemoryError" in fault.detail


def test_a_challenge_that_is_gone_is_the_host_s_trouble(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    item = host.submissions.submit(ADMIN, "numbers", "open", guess("open", 1, 2, 3))
    host.store.write(lambda to: to.change("UPDATE hosting_contests SET ref = 'gone.module:Gone'"))
    host.contests._posed.clear()
    Worker(host).run(drain=True)
    fault = host.store.rows("SELECT state, fault FROM hosting_submissions WHERE id = ?", [item.id])[0]
    assert fault[0] == "fault"
    assert "gone" in fault[1]


def test_two_workers_one_killed_each_submission_counts_once(postgres: Server, tmp_path: Path) -> None:
    url, files = postgres.schema(), tmp_path / "files"
    with Host.open(url, files=files) as host:
        contest(host, Phase("open", "open", limits=FREE))
        items = [host.submissions.submit(ADMIN, "numbers", "open", guess("open", 1, "slow", i)) for i in range(4)]

        def states() -> list[State]:
            return [item.state for item in host.submissions.list_for(ADMIN)]

        def held_by(name: str) -> bool:
            return any(i.state is State.LEASED and i.worker == name for i in host.submissions.list_for(ADMIN))

        quick = ("--lease", "3", "--poll", "0.1")
        with worker_process(url, files, "one", *quick) as one, worker_process(url, files, "two", *quick) as two:
            wait_for(lambda: held_by("one"))
            time.sleep(0.3)
            one.send_signal(signal.SIGKILL)
            assert one.wait() == -signal.SIGKILL
            wait_for(lambda: set(states()) == {State.DONE})
            two.send_signal(signal.SIGTERM)
            assert two.wait(60) == 0
        verdicts = host.ledger.verdicts(host.contests.find("numbers").phases[0].run, all=True)
        counted: dict[str, int] = {}
        for verdict in verdicts:
            counted[verdict.attempt] = counted.get(verdict.attempt, 0) + (not verdict.superseded)
        attempts = [attempt for item in items for attempt in host.submissions.get(ADMIN, item.id).attempts]
        assert counted == dict.fromkeys(attempts, 1)
        assert len(attempts) == 12
        assert sum(host.submissions.get(ADMIN, item.id).deaths for item in items) == 1


@pytest.mark.slow
def test_a_worker_that_slept_past_its_lease_counts_for_nothing_and_goes_on(tmp_path: Path) -> None:
    """I5, with real processes: stopped while it judges, given up, woken, and of use again afterwards."""
    url, files = str(tmp_path / "host.db"), tmp_path / "files"
    with Host.open(url, files=files) as host:
        contest(host, Phase("open", "open", limits=FREE))
        first = host.submissions.submit(ADMIN, "numbers", "open", guess("open", "slow", "slow", 1))

        def seen(item: Submission) -> Submission:
            return host.submissions.get(ADMIN, item.id)

        quick = ("--lease", "3", "--poll", "0.1")
        with worker_process(url, files, "sleeper", *quick) as sleeper:
            wait_for(lambda: seen(first).worker == "sleeper")
            sleeper.send_signal(signal.SIGSTOP)
            with worker_process(url, files, "other", *quick):
                wait_for(lambda: seen(first).worker == "other")
                sleeper.send_signal(signal.SIGCONT)
                wait_for(lambda: seen(first).state is State.DONE)
            second = host.submissions.submit(ADMIN, "numbers", "open", guess("open", 1, 2, 3))
            assert wait_for(lambda: seen(second).state is State.DONE and seen(second).worker) == "sleeper"
        counted = Counter(v.attempt for v in host.ledger.verdicts(first_run(host), all=True) if not v.superseded)
        assert counted == dict.fromkeys([*seen(first).attempts, *seen(second).attempts], 1)
        assert seen(first).deaths == 1


def first_run(host: Host) -> str:
    return host.contests.find("numbers").phases[0].run


def test_no_key_reaches_anything_that_is_told(host: Host, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    phases = [Phase(name, name, limits=FREE) for name in ("open", "test", "final")]
    contest(host, *phases)
    ann = person(host, "Ann")
    contents = [(3, -7, 12), (1, "leak", 2), ("x", None, "x"), (1, 2, 3)]
    for phase in phases:
        for content in contents:
            host.submissions.submit(ann, "numbers", phase.name, guess(phase.name, *content), note="mine")
    said: list[str] = []
    Worker(host).run(drain=True, on_report=lambda report: said.append(repr(report)))

    def look() -> None:
        for actor in (ADMIN, ann):
            said.append(repr(host.contests.list(actor)) + repr(host.queue.view(actor)) + repr(host.events(0, actor)))
            for phase in phases:
                said.append(repr(host.board("numbers", phase.name, actor)))
            for item in host.submissions.list_for(actor):
                said.append(repr(host.submissions.get(actor, item.id)) + repr(host.submissions.answer(actor, item.id)))
        said.append(repr(host.near_duplicates("numbers", ADMIN)))

    look()
    for bad in (guess("test", 1), b"[", guess("final", 1, 2, float("nan"))):
        with pytest.raises(HostingError) as error:
            host.submissions.submit(ann, "numbers", "test", bad)
        said.append(str(error.value))
    host.contests.reveal(ADMIN, "numbers")
    look()
    printed = capfd.readouterr()
    assert len(said) > 20
    assert all(CANARY not in text for text in [*said, printed.out, printed.err])
    assert CANARY.encode() not in all_text(tmp_path)
