"""The command on a real terminal, killed in the middle; and what the report shows of it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.bench.check import check
from guerdon.bench.rejudge import rejudge
from guerdon.bench.run import run
from guerdon.core.errors import ConfigError
from guerdon.core.task import Answer, Task
from guerdon.ledger import Ledger
from guerdon.prefer.queue import Queue
from guerdon.systems.zo_ranksgd.people import Latest, RankedByPeople, colour, curve, drawn
from guerdon.systems.zo_ranksgd.solver import HumanLoop

PATIENCE_S = 60.0
COMMAND = "from guerdon.cli.main import main; main()"


class Terminal:
    """The command on a pseudo-terminal."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
        environment.pop("NO_COLOR", None)
        command = [sys.executable, "-c", COMMAND, "solve", "ranked-by-people", "--solver", "human-loop", *words]
        self.child = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment, start_new_session=True
        )
        os.close(slave)
        self.text = ""

    def until(self, pattern: str) -> str:
        """What was written up to a pattern."""
        limit = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.text):
            ready, _, _ = select.select([self.master], [], [], max(limit - time.monotonic(), 0))
            assert ready, f"waited for {pattern!r}, got {self.text[-2000:]!r}"
            try:
                piece = os.read(self.master, 65536)
            except OSError:
                piece = b""
            assert piece or re.search(pattern, self.text), f"ended before {pattern!r}: {self.text[-2000:]!r}"
            self.text += piece.decode("utf-8", "replace")
        found = re.search(pattern, self.text)
        assert found is not None
        seen, self.text = self.text[: found.end()], self.text[found.end() :]
        return seen

    def type(self, line: str) -> None:
        os.write(self.master, line.encode() + b"\n")

    def kill(self) -> None:
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def end(self) -> int:
        return self.child.wait(PATIENCE_S)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.child.poll() is None:
            self.kill()
        os.close(self.master)


def colours(seen: str) -> list[str]:
    return re.findall(r"#[0-9a-f]{6}", seen)


def test_a_session_on_a_terminal_survives_kills_and_asks_nothing_twice(tmp_path: Path) -> None:
    words = ["--budget", "24"]
    with Terminal(tmp_path, *words) as first:
        shown = first.until("Round 1: .*(.|\n)*best first> ")
        assert "\x1b[38;2;" in shown
        first.type("BZ")
        first.until("Labels from A to F are expected: got 'Z'(.|\n)*best first> ")
        first.type("BD")
        first.until("BD> ")
        first.kill()  # typed, and not handed in

    with Terminal(tmp_path, *words) as second:
        again = second.until("Round 1: .*(.|\n)*best first> ")
        assert colours(again) == colours(shown)  # the same, in the same order
        second.type("BDA")
        second.until("Enter to hand in> ")
        second.type("")
        line = second.until("Round 2: .*(.|\n)*best first> ")
        second.kill()  # handed in; the next question is open

    with Terminal(tmp_path, *words) as third:
        assert colours(third.until("Round 2: .*(.|\n)*best first> ")) == colours(line)
        third.type("C")
        third.until("Enter to hand in> ")
        third.type("")
        third.until("Round 3: .*(.|\n)*best first> ")
        third.type("skip")
        third.until("Round 4: .*(.|\n)*best first> ")
        third.type("quit")
        third.until("The same command goes on")
        assert third.end() == 130

    rows = [json.loads(line) for line in (tmp_path / "rankings.jsonl").read_text().splitlines()]
    answers = [row for row in rows if row["kind"] == "answer"]
    assert [(row["round"], row["mode"], len(row["ranked"])) for row in answers] == [
        (1, "rank", 3), (2, "line", 1), (3, "rank", 0),
    ]  # fmt: skip
    assert answers[0]["ranked"] == [answers[0]["shown"][i] for i in (1, 3, 0)]
    assert Counter(row["round"] for row in rows if row["kind"] == "question") == {1: 1, 2: 1, 3: 1, 4: 1}
    with Ledger.open(tmp_path / "guerdon.db") as book:
        (done,) = book.runs()
        scores = [verdict.score.value for _, verdict in book.judged(done.id) if verdict]
    assert sorted(scores[:6]) == [0.0, 0.0, 0.0, 3.0, 4.0, 5.0]
    assert sorted(scores[6:12]) == [0.0] * 5 + [5.0]
    assert scores[12:18] == [None] * 6


def test_a_session_that_was_answered_elsewhere_needs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever fills the queue, a page say: the solver goes on from what is there."""
    from guerdon.prefer.people import HumanRanking
    from guerdon.prefer.queue import Ranked

    def answered(self: HumanRanking, question: Any, queue: Queue) -> Ranked:
        return Ranked(question.id, (question.items[-1].id,), self.annotator)

    challenge = RankedByPeople(queue=str(tmp_path / "q.jsonl"), k=1)
    with monkeypatch.context() as patch:
        patch.setattr(HumanRanking, "_answered", answered)
        one = run(HumanLoop(), challenge, ledger=tmp_path / "one.db", budget=60)
    two = run(HumanLoop(), challenge, ledger=tmp_path / "two.db", budget=60)
    with Ledger.open(tmp_path / "one.db") as book, Ledger.open(tmp_path / "two.db") as other:
        first = [(a.answer.content, v.score.value) for a, v in book.judged(one.id)]
        assert first == [(a.answer.content, v.score.value) for a, v in other.judged(two.id)]
        assert len(first) == 60
        rejudge(book, one.id, challenge, judge=Latest(), which="all")
    ((attempt, verdict),) = one.best()
    assert attempt.answer.note["mode"] == "line"
    assert attempt.answer.note["held"] is True
    assert verdict.score.value == 9.0


def test_nobody_is_asked_in_a_worker(tmp_path: Path) -> None:
    challenge = RankedByPeople(queue=str(tmp_path / "q.jsonl"))
    done = run(HumanLoop(), challenge, ledger=tmp_path / "g.db", budget=6, workers="processes:1")
    with Ledger.open(tmp_path / "g.db") as book:
        faults = [str(verdict.score.fault) for _, verdict in book.judged(done.id)]
    assert len(faults) == 6
    assert all("use --workers inline" in fault for fault in faults)


def test_its_self_check_asks_nobody(tmp_path: Path) -> None:
    challenge = RankedByPeople(queue=str(tmp_path / "q.jsonl"))
    assert all(finding.ok is not False for finding in check(challenge, on_step=lambda text: None))
    assert not (tmp_path / "q.jsonl").exists()


def test_renderers_show_what_the_numbers_say() -> None:
    assert colour(np.array([100.0, -100.0, 0.0])).endswith("#ff0080")
    flat, rising = curve(np.zeros(6)), curve(np.linspace(-3, 3, 6))
    assert [line.strip() for line in flat.splitlines() if line.strip()] == ["█" * 24]
    tops = [next(i for i, line in enumerate(rising.splitlines()) if line[c] == "█") for c in range(24)]
    assert tops == sorted(tops, reverse=True)
    assert len(set(tops)) > 5


def test_the_report_shows_what_the_person_saw() -> None:
    challenge = RankedByPeople()
    task = Task("find", {})
    (picture,) = challenge.pictures(task, Answer("find", [1.0, 0.0, -1.0]))
    assert picture.media == "image/svg+xml"
    assert b'fill="#ba8045"' in picture.data
    assert "&lt;b&gt;" in drawn("<b>")
    for odd in (None, [], [0.0] * 4, "x"):
        assert challenge.pictures(task, Answer("find", odd)) == ()


@pytest.mark.parametrize("fields", [{"renderer": "color"}, {"renderer": "no.such:thing", "dim": 2}, {"k": 7}, {"m": 1}])
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RankedByPeople(**fields)


def test_a_decoder_of_one_s_own_may_give_pictures(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "def decode(x):\n"
        "    return np.full((4, 4, 3), np.clip(128 + 50 * x[0], 0, 255), np.uint8)\n"
        "def bright(picture):\n"
        "    return picture.mean()\n"
    )
    mine = f"{tmp_path}/mine.py"
    challenge = RankedByPeople(renderer=f"{mine}:decode", dim=2, by=f"{mine}:bright", queue=str(tmp_path / "q.jsonl"))
    (picture,) = challenge.pictures(Task("find", {}), Answer("find", [1.0, 0.0]))
    assert picture.media == "image/png"
    done = run(HumanLoop(), challenge, ledger=tmp_path / "g.db", budget=24, workers="processes:1")
    assert done.spent["attempts"] == 24
