"""Workers on a real Ray cluster on loopback."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hosting_helpers
import pytest
from hosting_helpers import ADMIN, FREE, guess, wait_for

from guerdon.core.errors import ConfigError, LedgerError
from guerdon.hosting import Host, Phase, State
from guerdon.hosting.ray_workers import RayWorkers
from guerdon.hosting.worker import Report

NUMBERS = f"{hosting_helpers.__file__}:Numbers"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr("guerdon.bench.loading._files", {})  # what is loaded here is no other test's
    with Host.open(tmp_path / "host.db") as host:
        host.contests.create(ADMIN, NUMBERS, "numbers", "Numbers", [Phase("open", "open", limits=FREE)])
        yield host


def counted(host: Host) -> Counter[str]:
    run = host.contests.find("numbers").phases[0].run
    return Counter(each.attempt for each in host.ledger.verdicts(run, all=True) if not each.superseded)


@pytest.mark.ray
def test_an_actor_is_killed_and_each_submission_counts_once(host: Host, tmp_path: Path) -> None:
    items = [host.submissions.submit(ADMIN, "numbers", "open", guess("open", 1, "slow", k)) for k in range(4)]
    names: list[str] = []
    reports: list[Report] = []
    workers = RayWorkers(str(tmp_path / "host.db"), count=2, seconds=3.0, poll=0.1)
    thread = threading.Thread(target=workers.run, args=(False, reports.append, names.append))
    thread.start()
    try:
        held = wait_for(lambda: [i for i in host.submissions.list_for(ADMIN) if i.state is State.LEASED and i.worker])
        os.kill(int(held[0].worker.rpartition(":")[2]), signal.SIGKILL)
        wait_for(lambda: {i.state for i in host.submissions.list_for(ADMIN)} == {State.DONE})
        wait_for(lambda: len(names) == 3)
    finally:
        workers.stop()
        thread.join(60)
    assert not thread.is_alive()
    assert set(counted(host).values()) == {1}
    assert len(counted(host)) == 3 * len(items)
    assert len({report.submission for report in reports}) >= len(items) - 1  # the dead one may have told nothing


@pytest.mark.ray
def test_the_queue_is_drained(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(3):
        host.submissions.submit(ADMIN, "numbers", "open", guess("open", k, 0, 0))
    monkeypatch.chdir(tmp_path)
    assert RayWorkers("host.db", count=1, poll=0.1).run(drain=True) == 3


@pytest.mark.ray
def test_a_data_base_that_a_node_cannot_open_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="every node can open"):
        RayWorkers(str(tmp_path / "none.db"), count=1).run(drain=True)


def test_a_file_is_not_shared_by_a_cluster() -> None:
    with pytest.raises(ConfigError, match="Use PostgreSQL"):
        RayWorkers("mine.db", address="auto")
