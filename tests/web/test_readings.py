"""Watching a run that grows fast: however much comes in, reading it takes a share of the time, and one event tells."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
from hosting_helpers import ADMIN, person, wait_for
from web_helpers import Browser, main_of

from guerdon import Answer, Score
from guerdon.hosting import Actor, Host
from guerdon.ledger import AttemptRow, RunRow, VerdictRow, attempt_id, verdict_id
from guerdon.web.desk import Desk
from guerdon.web.live import Newest, Watched, _lines
from guerdon.web.readings import Readings
from guerdon.web.settings import Settings

RUN = RunRow("run-a", "numbers", "open", "open", "solver", "judge", 0, {}, {})
KEY = ("run-a", False)


class Clock:
    """A clock that reading sets forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("took", [0.001, 0.5, 3.0])
@pytest.mark.parametrize("viewers", [1, 20])
def test_reading_again_takes_a_tenth_of_the_time_whoever_watches(took: float, viewers: int) -> None:
    clock = Clock()
    readings = Readings(share=0.1, patience=60.0, clock=clock)
    read = 0

    def work() -> int:
        nonlocal read
        read += 1
        clock.now += took
        return read

    mark = 0
    while clock.now < 600:
        for _ in range(viewers):
            mark += 100
            value, version = readings.get(KEY, mark, work)
            assert value == version == read > 0
        clock.now += 0.5
    assert (read - 2) * took <= 600 * 0.1
    assert read >= min(600 / max(10 * took, 0.5), 1000) * 0.8
    before = read
    clock.now += 10 * took
    readings.get(KEY, mark + 1, work)
    readings.get(KEY, mark + 1, work)
    assert read == before + 1


def test_many_who_look_for_the_first_time_are_given_one_reading() -> None:
    readings, go, count = Readings(patience=60.0), threading.Event(), 0

    def slow() -> str:
        nonlocal count
        count += 1
        go.wait(60)
        return "read"

    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(readings.get(KEY, 1, slow))) for _ in range(8)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert found == [("read", 1)] * 8
    assert count == 1


def test_a_page_does_not_wait_for_a_long_reading_and_is_told_when_it_is_there() -> None:
    readings, go = Readings(patience=0.0), threading.Event()
    assert readings.get(KEY, 1, lambda: go.wait(60)) == (None, 0)
    assert readings.newer("run-a", 1) == (0, False)
    go.set()
    readings._kept[KEY].job and readings._kept[KEY].job.wait(60)  # type: ignore[func-returns-value]
    while readings.newer("run-a", 1)[0] == 0:
        pass
    assert readings.get(KEY, 1, lambda: None) == (True, 1)


def test_a_page_with_something_to_show_does_not_wait_for_a_reading_that_takes_long() -> None:
    clock, go = Clock(), threading.Event()
    readings = Readings(patience=60.0, clock=clock)

    def long() -> str:
        clock.now += 100.0
        return "old"

    assert readings.get(KEY, 1, long) == ("old", 1)
    assert readings.get(KEY, 2, lambda: go.wait(60)) == ("old", 1)
    go.set()


def test_what_cannot_be_read_says_so_each_time_and_is_tried_again() -> None:
    readings = Readings(patience=60.0)

    def broken() -> None:
        raise ValueError("broken")

    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            readings.get(KEY, 1, broken)
    assert readings.get(KEY, 1, lambda: "well") == ("well", 1)


def test_those_looked_at_long_ago_are_let_go() -> None:
    readings = Readings(patience=60.0, most=2)
    for name in "abc":
        readings.get((name, False), 1, lambda name=name: name)  # type: ignore[misc]
    assert [readings.newer(name, 1)[0] for name in "abc"] == [0, 1, 1]


def test_a_thousand_attempts_are_one_event(host: Host) -> None:
    host.ledger.begin(RUN)
    add(host, 0, 1)

    async def told() -> list[str]:
        desk = Desk(host, Settings(poll_s=0.01))
        desk.readings = Readings(share=1.0, patience=60.0)
        desk.readings.get(KEY, desk.ledger_mark(), lambda: "one")
        lines = _lines(desk, Actor.local(), Newest(desk), "run-a@1")
        found = [await anext(lines)]
        for step in range(1, 1001):
            add(host, step, 1)
        found.append(await anext(lines))
        desk.readings.get(KEY, desk.ledger_mark(), lambda: "two")  # as the page does that was told
        found.append(await anext(lines))
        desk.over.set()
        return [*found, *[line async for line in lines]]

    retry, *events, bye = asyncio.run(told())
    assert retry.startswith("retry")
    assert bye.startswith("event: bye")
    assert len(events) == 2
    assert all('"kind": "run"' in event for event in events)


def test_whoever_watches_hears_of_each_new_reading_and_of_nothing_before_it_is_due(host: Host) -> None:
    clock = Clock()
    desk = Desk(host, Settings())
    desk.readings = Readings(share=0.1, patience=60.0, clock=clock)

    def work() -> str:
        clock.now += 1.0
        return "read"

    for mark in (0, 1):
        desk.readings.get(KEY, mark, work)
    one, two, every, none = (Watched(desk, name, 1) for name in ("run-a@2", "run-a@2", "all", ""))
    assert not any(each.changed(1) for each in (one, two, every, none))
    assert [each.changed(2) for each in (one, two, every, none)] == [False, False, True, False]
    clock.now += 9.0
    assert [each.changed(3) for each in (one, two)] == [True, True]
    desk.readings.get(KEY, 3, work)
    assert [each.changed(3) for each in (one, two)] == [True, True]
    assert [each.changed(3) for each in (one, two)] == [False, False]
    for name in ("other@1", "run-a@x", "run-a@" + "9" * 20, "run-a"):
        other = Watched(desk, name, 3)
        assert [other.changed(3), other.changed(4), other.changed(4)] == [False, True, False], name


def test_the_page_of_a_run_is_read_once_for_all_and_shows_how_the_run_ends(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guerdon.web import records

    host.ledger.begin(RUN)
    add(host, 0, 5)
    reads: list[str] = []
    read = records._read
    monkeypatch.setattr(records, "_read", lambda *given: reads.append("") or read(*given))  # type: ignore[func-returns-value]
    browser = Browser(host)
    pages = [browser.get("/runs/run-a") for _ in range(5)]
    assert len({main_of(page) for page in pages}) == 1
    assert len(reads) == 1
    assert re.search(r'data-run="run-a@1"', pages[0].text)
    assert "5 attempts" in pages[0].text or ">5<" in pages[0].text
    desk_mark = Desk(host, Settings()).ledger_mark()
    host.ledger.finish("run-a", "done")
    assert Desk(host, Settings()).ledger_mark() != desk_mark
    assert "done" in main_of(browser.get("/runs/run-a"))


def test_a_report_is_made_in_the_background_once_for_each_state_of_a_run(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guerdon.web import records

    host.ledger.begin(RUN)
    add(host, 0, 5)
    go, made, render = threading.Event(), list[str](), records.report_page.render

    def slow(*given: Any, **more: Any) -> str:
        made.append("")
        assert go.wait(60)
        return render(*given, **more)

    monkeypatch.setattr(records.report_page, "render", slow)
    monkeypatch.setattr("guerdon.web.readings.PATIENCE_S", 0.0)
    browser = Browser(host)
    for _ in range(3):
        waits = browser.get("/runs/run-a/report")
        assert (waits.status_code, waits.headers["refresh"]) == (202, "3")
        assert "is being made, of 5 attempts" in main_of(waits)
    go.set()
    whole = wait_for(lambda: _report(browser))
    assert "<h1" in whole
    assert _report(browser) == whole
    assert len(made) == 1
    add(host, 1, 2)
    assert _report(browser) == whole  # of a run that goes on the last one is shown, and a new one made
    wait_for(lambda: _report(browser) not in ("", whole))
    host.ledger.finish("run-a", "done")
    assert _report(browser) == ""  # it says something else than the run's page
    wait_for(lambda: _report(browser))


def _report(browser: Browser) -> str:
    """The report; "" while it is being made."""
    answer = browser.get("/runs/run-a/report")
    return answer.text if answer.status_code == 200 else ""


def test_a_report_from_before_somebody_was_forgotten_is_not_shown(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    from guerdon.web import records

    host.ledger.begin(RUN)
    add(host, 0, 5)
    made = iter(["<h1>with a name</h1>", "<h1>without</h1>"])
    monkeypatch.setattr(records.report_page, "render", lambda *given, **more: next(made))
    browser = Browser(host)
    assert ["with a name" in _report(browser) for _ in range(2)] == [True, True]
    eve = person(host, "Eve")
    host.forgetting.forget(ADMIN, eve.person)
    assert _report(browser) == "<h1>without</h1>"


def test_a_run_that_is_too_long_for_the_server_has_its_report_made_elsewhere(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.ledger.begin(RUN)
    add(host, 0, 5)
    monkeypatch.setattr("guerdon.web.records.REPORTED", 4)
    refused = Browser(host).get("/runs/run-a/report")
    assert refused.status_code == 400
    assert "guerdon report run-a" in refused.text


def add(host: Host, step: int, count: int) -> None:
    """Attempts of one step, with their verdicts."""
    answers = [Answer("t", step * 1000 + i) for i in range(count)]
    names = [attempt_id("run-a", step, i, answer) for i, answer in enumerate(answers)]
    attempts = [
        AttemptRow(name, "run-a", step, i, answer) for i, (name, answer) in enumerate(zip(names, answers, strict=True))
    ]
    verdicts = [VerdictRow(verdict_id(name, "judge"), name, "judge", Score(0.5)) for name in names]
    host.ledger.record(attempts, verdicts, None)
