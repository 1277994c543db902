"""Fifty submissions at the same moment: the limit is met exactly."""

import contextlib
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hosting_helpers import ADMIN, Clock, contest, guess, judged, person
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.hosting import Actor, Host, HostingError, LimitError, Limits, LimitsLeft, NotAllowedError, Phase, Role

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
    assert live.submissions.limits_left(ann, "numbers").day == 0
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


def left(host: Host, actor: Actor) -> tuple[int | None, ...]:
    found = host.submissions.limits_left(actor, "numbers")
    return found.day, found.month, found.total, found.concurrent, found.now


def test_what_is_left_by_day_month_in_total_and_at_once(host: Host, clock: Clock) -> None:
    clock.now = 1_801_440_000.0 - 3600  # 2027-01-31 23:00 UTC
    contest(host, Phase("open", "open", limits=Limits(per_day=3, per_month=4, total=6, concurrent=2)))
    ann = person(host, "Ann")
    assert left(host, ann) == (3, 4, 6, 2, 2)
    found = host.submissions.limits_left(ann, "numbers")
    assert (found.next_day, found.next_month) == (1_801_440_000.0, 1_801_440_000.0)
    first = host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    second = host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    assert left(host, ann) == (1, 2, 4, 0, 0)
    host.submissions.cancel(ann, second.id)  # nobody had it
    judged(host, first, 0.1, 0.1, 0.1)
    assert left(host, ann) == (2, 3, 5, 2, 2)
    clock.now += 7200  # another day, another month
    assert left(host, ann) == (3, 4, 5, 2, 2)
    assert host.submissions.limits_left(ann, "numbers").next_month == 1_801_440_000.0 + 28 * 86400
    assert left(host, ADMIN) == (None,) * 5
    with pytest.raises(NotAllowedError):
        host.submissions.limits_left(person(host, "Bob", Role.ANNOTATOR), "numbers")


def test_a_month_s_limit_is_met_over_days(host: Host, clock: Clock) -> None:
    clock.now = 1_798_761_600.0  # 2027-01-01
    contest(host, Phase("open", "open", limits=Limits(per_day=2, per_month=3, concurrent=None)))
    ann = person(host, "Ann")
    made = 0
    for _ in range(31):
        for _ in range(3):
            try:
                host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
                made += 1
            except LimitError:
                pass
        clock.now += 86400 - (0.5 if made == 3 else 0)
    assert made == 3
    with pytest.raises(LimitError, match=r"at most 3 submissions a month.*1 days, at 0:00 UTC"):
        host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    clock.now += 86400
    host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))


some = st.none() | st.integers(1, 3)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(Limits, per_day=some, per_month=some, total=some, concurrent=some),
    st.lists(st.sampled_from(["submit", "cancel", "judge", "fail", "night"]), max_size=12),
)
def test_what_is_said_to_be_left_is_what_is_taken(most: Limits, deeds: list[str]) -> None:
    """Counted here by trying: as many are taken as were said to be left, and the next one is refused."""
    clock = Clock()
    with Host.open("sqlite://", clock=clock) as host:
        contest(host, Phase("open", "open", limits=most))
        ann = person(host, "Ann")
        for deed in deeds:
            clock.now += 86400.0 * 9 if deed == "night" else 1.0
            said = host.submissions.limits_left(ann, "numbers").now
            if deed == "submit":
                assert tried(host, ann) is (said != 0)
            elif deed == "cancel" and (mine := host.submissions.list_for(ann)):
                host.submissions.cancel(ann, mine[0].id)
            elif deed in ("judge", "fail") and (lease := host.queue.lease("w")):
                host.queue.fail(lease, "invalid", "solver" if deed == "judge" else "host")
        said = host.submissions.limits_left(ann, "numbers").now
        taken = sum(tried(host, ann) for _ in range(5))
        assert taken == (5 if said is None else said)


def tried(host: Host, actor: Actor) -> bool:
    try:
        host.submissions.submit(actor, "numbers", "open", guess("open", 1, 2, 3))
    except LimitError:
        return False
    return True


def test_limits_and_times_that_change_hold_at_once(host: Host, clock: Clock) -> None:
    contest(host, Phase("open", "open", closes=clock.now + 60, limits=Limits(per_day=1, concurrent=None)))
    ann = person(host, "Ann")
    assert [tried(host, ann), tried(host, ann)] == [True, False]
    changed = host.contests.change_phase(ADMIN, "numbers", "open", limits={"per_day": 2, "total": None})
    assert (changed.phases[0].limits.per_day, changed.phases[0].closes) == (2, clock.now + 60)
    assert [tried(host, ann), tried(host, ann)] == [True, False]
    clock.now += 61
    with pytest.raises(HostingError, match="it is closed"):
        tried(host, ann)
    host.contests.change_phase(ADMIN, "numbers", "open", closes=None, limits={"per_day": None})
    assert [tried(host, ann), tried(host, ann)] == [True, True]
    with pytest.raises(HostingError, match=r"a limit of a phase.*per_day"):
        host.contests.change_phase(ADMIN, "numbers", "open", limits={"per_days": 1})
    with pytest.raises(NotAllowedError):
        host.contests.change_phase(ann, "numbers", "open", closes=None)


def test_what_is_left_has_a_smallest_part() -> None:
    assert LimitsLeft(3, 2, None, 4, 0, 0.0, 0.0).now == 2
    assert LimitsLeft(None, None, None, None, 9, 0.0, 0.0).now is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("per_day", 0), ("per_month", -1), ("total", math.nan), ("concurrent", math.inf), ("memory_mb", 0), ("size", 0),
     ("size", None), ("seconds", None), ("seconds", 0.0), ("seconds", math.inf), ("finals", -1), ("finals", None)],
)  # fmt: skip
def test_limits_that_are_none(host: Host, name: str, value: float | None) -> None:
    with pytest.raises(ConfigError, match=f"{name} is at least"):
        Limits(**{name: value})  # type: ignore[arg-type]
    if not host.contests.list(ADMIN):
        contest(host, Phase("open", "open"))
    with pytest.raises(ConfigError, match=f"{name} is at least"):
        host.contests.change_phase(ADMIN, "numbers", "open", limits={name: value})
    assert host.contests.find("numbers").phases[0].limits == Limits()
