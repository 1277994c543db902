import random
import threading
from collections.abc import Sequence

import pytest
from hosting_helpers import ADMIN, FREE, contest, entered, guess, judged, person

from guerdon import Score
from guerdon.hosting import Board, Host, Phase
from guerdon.hosting.scores import Run, Scores
from guerdon.hosting.standing import Best, Line, Standing


def placed(lines: Sequence[Line]) -> list[tuple[str, int | None, int | None, bool]]:
    """Team, rank, group and whether others are in it, by the definitions and from nothing but them."""
    told = sorted((line for line in lines if line.best), key=lambda line: line.key)
    rows: list[tuple[str, int | None, int | None, bool]] = []
    groups: list[int] = []
    head: Line | None = None
    for line in told:
        assert line.best
        same = head is not None and head.best is not None and (
            head.best.value == line.best.value
            or (head.best.low is not None and line.best.high is not None and line.best.high >= head.best.low)
        )  # fmt: skip
        head = head if same else line
        groups.append((groups[-1] if groups else 0) + (not same))
    for line, group in zip(told, groups, strict=True):
        above = sum(1 for each in told if each.best and each.best.low is not None and each.best.low > line.end)
        rows.append((line.team, 1 + above, group, groups.count(group) > 1))
    rest = sorted((line.name, line.team) for line in lines if not line.best)
    return rows + [(team, None, None, False) for _, team in rest]


def shown(standing: Standing, first: int, count: int) -> list[tuple[str, int | None, int | None, bool]]:
    return [
        (line.team, standing.rank(line), *standing.group(first + i)) if line.best else (line.team, None, None, False)
        for i, line in enumerate(standing.cut(first, count))
    ]


def line_of(team: int, draw: random.Random) -> Line:
    if draw.random() < 0.2:
        return Line(f"t{team}", f"name {team % 7}", draw.randrange(3), None)
    value = draw.choice([0.0, -0.0, 1e-300, 0.25, 0.5, draw.random()])
    wide = draw.random() / 8
    low, high = (None, None) if draw.random() < 0.3 else (value - wide, value + wide)
    return Line(f"t{team}", f"name {team % 7}", draw.randrange(1, 4), Best(value, low, high, draw.randrange(50)))


@pytest.mark.parametrize("seed", range(12))
def test_lines_that_are_moved_one_by_one_stand_where_sorting_puts_them(seed: int) -> None:
    draw = random.Random(seed)
    kept: dict[str, Line] = {}
    standing = Standing()
    for turn in range(60):
        many = 300 if turn == 0 else draw.randrange(4)
        new = {line.team: line for line in (line_of(draw.randrange(300), draw) for _ in range(many))}
        gone = [team for team in draw.sample(sorted(kept), min(len(kept), draw.randrange(3))) if team not in new]
        standing.take(list(new.values()), gone)
        kept = {team: line for team, line in {**kept, **new}.items() if team not in gone}
        first, count = draw.randrange(len(kept)), draw.randrange(1, 40)
        right = placed(list(kept.values()))
        assert len(standing) == len(right)
        assert shown(standing, first, count) == right[first : first + count]
        assert standing.judged == sum(line.entries for line in kept.values())
        team = draw.choice(sorted(kept))
        assert right[standing.place(team) or 0][0] == team
    assert shown(standing, 0, len(kept)) == right


def test_a_board_with_nobody_on_it() -> None:
    standing = Standing()
    assert (len(standing), list(standing.cut(0, 10)), standing.place("t"), standing.judged) == (0, [], None, 0)


def test_a_page_of_a_board_is_a_part_of_it_and_one_s_own_row_comes_along(host: Host) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    people = [person(host, f"p{i}") for i in range(7)]
    for i, actor in enumerate(people):
        entered(host, actor, "open", i / 10, i / 10, i / 10)
    whole = host.board("numbers", "open", people[0])
    assert (whole.count, whole.first, whole.judged, len(whole.rows)) == (7, 1, 7, 7)
    page = host.board("numbers", "open", people[0], 3, 2)
    assert list(page.rows) == list(whole.rows[2:4])
    assert page.own == whole.rows[-1]
    assert page.own is not None
    assert page.own.own
    assert (page.first, page.count) == (3, 7)
    assert list(host.board("numbers", "open", people[0], 9, 2).rows) == []
    assert host.board("numbers", "open", ADMIN).own is None


def test_the_mark_of_a_board_changes_with_what_is_told_and_with_nothing_else(host: Host) -> None:
    contest(host, Phase("final", "final", limits=FREE))
    ann, bob = person(host, "ann"), person(host, "bob")
    first = entered(host, ann, "final", 0.9, 0.9, 0.9)
    seen: list[str] = []

    def new(actor=ann) -> bool:  # type: ignore[no-untyped-def]
        seen.append(host.board_mark("numbers", "final", actor))
        assert seen[-1] == host.board("numbers", "final", actor).mark == host.board_mark("numbers", "final", actor)
        return seen[-1] not in seen[:-1]

    assert new()
    assert not new()
    person(host, "carol")
    assert not new()
    second = entered(host, ann, "final", 0.1, 0.1, 0.1)
    assert new()
    assert new(bob)
    assert new(ADMIN)
    host.submissions.choose_final(ann, first.id)
    assert new()
    host.contests.change(ADMIN, "numbers", title="Another")
    assert not new()
    host.contests.close(ADMIN, "numbers")
    assert not new()
    assert all(row.value is None for row in host.board("numbers", "final", ann).rows)
    host.contests.reveal(ADMIN, "numbers")
    assert new()
    assert new(bob)
    assert [row.value for row in host.board("numbers", "final", bob).rows] == [pytest.approx(0.9)]
    host.submissions.cancel(ADMIN, first.id)
    assert new()
    assert [row.value for row in host.board("numbers", "final", bob).rows] == [pytest.approx(0.1)]
    host.submissions.cancel(ADMIN, second.id)
    assert new()
    assert list(host.board("numbers", "final", bob).rows) == []


def test_two_hosts_on_one_data_base_show_the_same_after_each_change(live: Host, tmp_path) -> None:  # type: ignore[no-untyped-def]
    def board(host: Host) -> Board:
        return host.board("numbers", "open", ADMIN)

    contest(live, Phase("open", "open", limits=FREE))
    people = [person(live, f"p{i}") for i in range(3)]
    with Host.open(live.ledger.url, files=tmp_path / "files", durable=False) as other:
        for i, actor in enumerate(people):
            item = live.submissions.submit(actor, "numbers", "open", guess("open", i, i, i))
            board(other), board(live)
            judged(other, item, 0.1 * i, Score.failed("invalid"), 0.1)
            assert board(live).rows == board(other).rows
            assert board(live).count == i + 1
        live.submissions.retry(ADMIN, item.id)
        judged(live, item, 0.9, 0.9, 0.9)
        assert board(other).rows == board(live).rows
        assert board(other).rows[0].value == pytest.approx(0.9)


def test_a_board_that_takes_long_to_read_holds_up_no_other(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = person(host, "Ann")
    for slug in ("long", "short"):
        contest(host, Phase("open", "open", limits=FREE), slug=slug)
        entered(host, ann, "open", 0.5, 0.5, 0.5, name=slug)
    run = host.contests.find("long").phases[0].run
    began, go, page = threading.Event(), threading.Event(), Scores._page

    def slow(self: Scores, known: Run, newest: int) -> int:
        if known is self._run(run):
            began.set()
            assert go.wait(60)
        return page(self, known, newest)

    monkeypatch.setattr(Scores, "_page", slow)
    found: list[Board] = []
    thread = threading.Thread(target=lambda: found.append(host.board("long", "open", ADMIN)))
    thread.start()
    assert began.wait(60)
    assert host.board("short", "open", ADMIN).rows[0].value == 0.5
    assert [item.score.value for item in host.submissions.list_for(ann) if item.score] == [0.5, 0.5]
    assert not found
    go.set()
    thread.join()
    assert found[0].rows[0].value == 0.5


def test_a_score_is_the_same_whether_its_run_was_read_or_not(live: Host) -> None:
    contest(live, Phase("open", "open", limits=FREE))
    ann = person(live, "Ann")
    late, ours = Score.failed("invalid", "late", whose="solver"), Score.failed("judge", "broken", whose="judge")
    tries: list[list[Sequence[float | Score]]] = [
        [[0.5, 0.25, 1.0]], [[0.5, late, 1.0]],
        [[ours, 0.5, 1.0], [0.75, 0.5, 1.0]], [[0.1, 0.2, 0.3], [late, 0.2, 0.3]],
    ]  # fmt: skip
    for verdicts in tries:
        item = live.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, len(verdicts)))
        for values in verdicts:
            live.submissions.retry(ADMIN, item.id)
            judged(live, item, *values)
    alone = [item.score for item in live.submissions.list_for(ann)]
    live.board("numbers", "open", ann)
    assert [item.score for item in live.submissions.list_for(ann)] == alone
    assert [score and round(score.value, 6) for score in alone[::-1]] == [0.583333, 0.5, 0.75, 0.166667]
