"""Fifty submissions at the same moment: the limit is met exactly."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hosting_helpers import contest, guess, person

from guerdon.hosting import Actor, Host, LimitError, Limits, Phase

RACER = """
import sys
import pytest
from hosting_helpers import guess
from guerdon.hosting import Actor, Host, LimitError, Role
url, files, person, team, name, count = sys.argv[1:]
actor, won = Actor(person, name, Role.ENTRANT, team), 0
with Host.open(url, files=files) as host:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(count)):
        try:
            host.submissions.submit(actor, "numbers", "open", guess("open", 1, 2, 3))
            won += 1
        except LimitError:
            pass
print(won)
"""


def test_threads_meet_the_daily_limit_exactly(live: Host, url: str, tmp_path: Path) -> None:
    contest(live, Phase("open", "open", limits=Limits(per_day=7, concurrent=None)))
    ann = person(live, "Ann")
    start, won = threading.Barrier(50), list[bool]()

    def race() -> None:
        start.wait()
        try:
            live.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
            won.append(True)
        except LimitError:
            won.append(False)

    threads = [threading.Thread(target=race) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), sum(won)) == (50, 7)
    assert [item.number for item in live.submissions.list_for(ann)] == list(range(7))[::-1]


def test_processes_meet_the_daily_limit_exactly(live: Host, url: str, tmp_path: Path) -> None:
    contest(live, Phase("open", "open", limits=Limits(per_day=7, concurrent=None)))
    ann = person(live, "Ann")
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    command = [sys.executable, "-c", RACER, url, str(tmp_path / "files"), ann.person, ann.team, "Ann", "13"]
    environment = {**os.environ, "PYTHONPATH": path}
    with contextlib.ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
            )
            for _ in range(4)
        ]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        told = [int(racer.communicate(timeout=120)[0]) for racer in racers]
    assert sum(told) == 7
    assert len(live.submissions.list_for(ann)) == 7


def test_a_person_in_two_teams_has_one_limit(live: Host) -> None:
    contest(live, Phase("open", "open", limits=Limits(total=1, concurrent=None)))
    ann = person(live, "Ann")
    live.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    moved = Actor(ann.person, "Ann", ann.role, "another")
    with pytest.raises(LimitError, match="in all"):
        live.submissions.submit(moved, "numbers", "open", guess("open", 1, 2, 3))
