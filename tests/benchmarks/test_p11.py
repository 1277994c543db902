import sys
from functools import partial
from pathlib import Path

import pytest
from benchmarks.common import Plan
from benchmarks.meter import Load

from benchmarks import p11_board

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "drivers"))

import p11_fill
import p11_rows

from guerdon.hosting import Actor, Host, Role

ADMIN = Actor.local()
ENTRANT = Actor("person-5", "five", Role.ENTRANT, "team-5")
READS = {
    "a board": lambda host, actor: host.board("board", "open", actor, 1, 10),
    "the mark of a board": lambda host, actor: host.board_mark("board", "open", actor),
    "what is left": lambda host, actor: host.submissions.limits_left(actor, "board", "open"),
    "all submissions": lambda host, actor: host.submissions.list_for(actor),
    "those of a contest": lambda host, actor: host.submissions.list_for(actor, "board"),
    "those of a phase": lambda host, actor: host.submissions.list_for(actor, "board", "open"),
    "one": lambda host, actor: host.submissions.get(actor, host.submissions.list_for(actor)[0].id),
    "whose an attempt is": lambda host, actor: host.submissions.of_attempt(host.ledger.runs()[0].id, 5),
    "the queue": lambda host, actor: host.queue.view(actor),
    "a lease": lambda host, actor: host.queue.lease("w"),
    "changes": lambda host, actor: host.events(host.newest_event() - 1, actor),
    "handing in": lambda host, actor: host.submissions.submit(actor, "board", "open", 0.5),
}
TEAMS = 150


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("p11")
    for each in (2, 40):
        p11_fill.fill(folder / f"{each}.db", TEAMS, each)
    with Host.open(folder / "2.db", durable=False) as few, Host.open(folder / "40.db", durable=False) as many:
        yield few, many


@pytest.mark.parametrize("actor", [ADMIN, ENTRANT], ids=["organiser", "entrant"])
@pytest.mark.parametrize("what", READS)
def test_reading_costs_the_same_whatever_else_was_handed_in(hosts, what, actor):
    """In instructions of SQLite's machine, once what is read at the start has been read."""
    cost = []
    for host in hosts:
        read = READS[what]
        read(host, actor)
        host.board("board", "open", actor, 1, 10)
        cost.append(instructions(host, partial(read, host, actor)))
    assert cost[0] > 0
    own = 40 if actor is ENTRANT else 1  # of which there are as many more
    assert cost[1] < 1.5 * cost[0] + 40 * own, cost


def instructions(host, work):
    """Instructions in tens."""
    raw = host.ledger._database.connection.connection.driver_connection
    count = 0

    def one():
        nonlocal count
        count += 1

    raw.set_progress_handler(one, 10)
    work()
    raw.set_progress_handler(None, 0)
    return count


def test_the_board_that_is_written_straight_into_tables_is_the_one_that_was_meant(hosts):
    for host, each in zip(hosts, (2, 40), strict=True):
        shown = host.board("board", "open", ADMIN, 1, 20)
        right = [row for row in p11_rows.board(TEAMS, each, 0, 60) if row[0].startswith("team")]
        assert [[row.team, row.value] for row in shown.rows] == right[:20]
        assert (shown.count, shown.judged) == (TEAMS, TEAMS * each)


@pytest.mark.slow  # three servers are started
def test_boards_are_measured_without_the_peers():
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    found = p11_board.run(Plan(rounds=1, quick=True), Load(), lambda text: None)
    assert [claim["missing"] for claim in found["claims"][:4]] == ["left out"] * 4
    costs = {row["who"]: row["cpu_ms"] for row in found["rows"]}
    assert set(costs) == {"floor", "guerdon", p11_board.NEW, "guerdon, the page"}
    assert found["hurry"]["wrong"] == 0
    assert found["hurry"]["requests"] == 50
    assert [each["viewers"] for each in found["watch"]] == [0, 2]
    assert found["watch"][1]["pages"] >= 1


def test_the_late_are_first_and_better_in_each_turn():
    before, after = p11_rows.board(10, 3, 0), p11_rows.board(10, 3, 1)
    assert [name for name, _ in before] == [name for name, _ in after]
    assert [value for _, value in after] == sorted((value for _, value in after), reverse=True)
    assert all(new > old for (name, new), (_, old) in zip(after, before, strict=True) if name.startswith("late"))
    assert len({team for team, _ in p11_rows.scores(10, 3)}) == 10
