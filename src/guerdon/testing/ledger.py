"""The contract of a ledger. A data base that guerdon does not ship is tested by one fixture:

class TestMine(LedgerContract):
    @pytest.fixture
    def ledger_url(self):
        yield "postgresql://..."        # of an empty data base
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from guerdon.core.errors import LedgerError
from guerdon.core.plain import Blob
from guerdon.core.preference import Choice
from guerdon.core.score import Score
from guerdon.core.task import Answer, Task
from guerdon.ledger import AttemptRow, ChoiceRow, Ledger, RunRow, StepRow, VerdictRow, attempt_id, verdict_id, views
from guerdon.ledger.export import bundle_digest, export_bundle, import_bundle

HOSTILE_TEXTS = (
    "",
    " ",
    "nul \x00 inside",
    "lone \ud800 surrogate \udfff",
    "line\nbreak\ttab\x1b[31mred\x07",
    "\ufeffbom",
    "e\u0301 is not \u00e9",
    "right \u202e to left",
    '"quoted"',
    "'; DROP TABLE runs; --",
    "%s ? :name $1 {x}",
    "\\u0000 \\",
    "a" + "\u0300" * 5000,
    "\U0001f389" * 10,
)
JUDGE = "j" * 32


def make_run(name: str = "r", **changes: Any) -> RunRow:
    """A run to test with."""
    fields: dict[str, Any] = {
        "id": name, "challenge": "c", "split": "main", "visibility": "open", "solver": "s", "judge": JUDGE, "seed": 0,
        "budget": {"attempts": 100}, "recipe": {"challenge": {"n": 1}, "solver": {}, "judge": {}},
    }  # fmt: skip
    return RunRow(**{**fields, **changes})


def make_attempts(run: str = "r", step: int = 0, count: int = 3) -> list[AttemptRow]:
    """Attempts of one step."""
    answers = [Answer(f"t/{i % 5}", {"text": f"{step}.{i}"}, note={"tokens": i}) for i in range(count)]
    return [AttemptRow(attempt_id(run, step, i, a), run, step, i, a) for i, a in enumerate(answers)]


def make_verdict(attempt: str, value: float | Score, reason: str = "first", **changes: Any) -> VerdictRow:
    """A verdict on an attempt."""
    score = value if isinstance(value, Score) else Score(value)
    return VerdictRow(verdict_id(attempt, JUDGE, reason), attempt, JUDGE, score, reason=reason, **changes)


def unnumbered(rows: Sequence[Any]) -> list[Any]:
    """Rows without what the store gives them."""
    from dataclasses import replace

    changes = [{"seq": 0, **({"created": 0.0} if hasattr(row, "created") else {})} for row in rows]
    return [replace(row, **change) for row, change in zip(rows, changes, strict=True)]


def write_history(ledger: Ledger, run: str = "r", seed: int = 0, steps: int = 4) -> None:
    """A history with faults, re-judgements, superseded verdicts, choices, lineage and a blob."""
    draw = random.Random(seed)
    ledger.begin(make_run(run, seed=seed))
    ledger.tasks_seen("c", [Task(f"t/{i}", {"prompt": f"{i}\x00"}) for i in range(5)])
    parents: tuple[str, ...] = ()
    for step in range(steps):
        answers = [Answer(f"t/{i % 5}", f"{step} {i} {draw.random()}", parents, {"tokens": 3}) for i in range(8)]
        answers.append(Answer("t/0", ledger.blobs.put(f"blob {step}".encode(), "text/plain")))
        rows = [AttemptRow(attempt_id(run, step, i, a), run, step, i, a) for i, a in enumerate(answers)]
        scores = [Score(draw.choice([0.0, 0.5, 1.0]), {"part": draw.random()}) for _ in rows]
        scores[2], scores[3] = Score.failed("timeout", "1 s\x00"), Score.failed("sandbox")
        verdicts = [make_verdict(row.id, score, seconds=draw.random()) for row, score in zip(rows, scores, strict=True)]
        ledger.record(rows, verdicts, StepRow(run, step, draw.random(), tokens=24, frames=1))
        ledger.judge([make_verdict(rows[0].id, draw.random(), "again")])
        ledger.judge([make_verdict(rows[1].id, 9.0, "late", superseded=True)])
        choice = Choice(draw.choice(["left", "right", "tie"]), 0.5, "p", note={"flipped": 1.0})
        left, right = rows[0], rows[5]
        ledger.choose([ChoiceRow(f"{run}{step}", run, step, 0, left.answer.task, left.id, right.id, choice)])
        parents = (rows[4].id, rows[5].id)


def all_views(ledger: Ledger, run: str = "r") -> list[Any]:
    """What every view says, without the places of rows in the ledger."""
    best = views.best(ledger, run, 10)
    last = views.best(ledger, run, 1)[0][0].id
    return [
        unnumbered([attempt for attempt, _ in best]),
        unnumbered([verdict for _, verdict in best]),
        views.curve(ledger, run),
        views.faults(ledger, run),
        views.leaderboard(ledger, "c", "main"),
        views.leaderboard(ledger, "c", "main", by="solver"),
        views.pass_at_k(ledger, run, (1, 2, 50)),
        [(found.depth, found.attempt.id) for found in views.lineage(ledger, last)],
        views.training_set(ledger, run),
        views.preferences(ledger, run),
        views.cost(ledger, run),
    ]


class LedgerContract:
    """What every ledger must do. Give a fixture `ledger_url` with the URL of an empty data base."""

    kills = 3
    """How often a writer is killed."""

    @pytest.fixture
    def opened(self, ledger_url: str, tmp_path: Path) -> Iterator[Callable[[], Ledger]]:
        """Opens the ledger, as often as asked, and closes all of them."""
        ledgers: list[Ledger] = []

        def open_again() -> Ledger:
            files = tmp_path / "files" if ledger_url.startswith("postgresql") else None
            ledgers.append(Ledger.open(ledger_url, files=files, patience=20.0))
            return ledgers[-1]

        yield open_again
        for ledger in ledgers:
            ledger.close()

    @pytest.fixture
    def ledger(self, opened: Callable[[], Ledger]) -> Ledger:
        """One open ledger with one run."""
        ledger = opened()
        ledger.begin(make_run())
        return ledger

    @pytest.fixture
    def other(self, tmp_path: Path) -> Iterator[Ledger]:
        """Another ledger."""
        with Ledger.open(tmp_path / "other.db") as ledger:
            yield ledger

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────

    def test_what_goes_in_comes_out_in_order(self, ledger: Ledger) -> None:
        """Order and content of each kind of row."""
        rows = make_attempts(count=50)
        verdicts = [make_verdict(row.id, float(row.index), created=5.0) for row in reversed(rows)]
        step = StepRow("r", 0, 1.5, 7, 0.25, 3, "step-0", {"best": 1})
        ledger.record(rows, verdicts, step)
        assert unnumbered(ledger.attempts("r")) == rows
        assert [row.attempt for row in ledger.verdicts("r")] == [row.attempt for row in verdicts]
        assert [(a.id, v and v.score.value) for a, v in ledger.judged("r")] == [(r.id, float(r.index)) for r in rows]
        assert ledger.steps("r") == [step]
        assert [row.seq for row in ledger.attempts()] == sorted(row.seq for row in ledger.attempts())
        assert len(ledger.attempts(since=ledger.attempts()[19].seq)) == 30
        assert [*ledger.attempts("r", step=1), *ledger.verdicts("r", step=1)] == []
        spent = {"attempts": 50, "seconds": 1.5, "tokens": 7, "sandbox_seconds": 0.25, "frames": 3}
        assert ledger.spent("r") == spent

    def test_recording_twice_is_recording_once(self, opened: Callable[[], Ledger], ledger: Ledger) -> None:
        """Idempotence, also through another connection."""
        write_history(ledger, "h")
        before = (bundle_digest(ledger), ledger.revision(), len(ledger.verdicts(all=True)))
        write_history(opened(), "h")
        assert (bundle_digest(ledger), ledger.revision(), len(ledger.verdicts(all=True))) == before

    def test_rows_are_never_changed_or_removed(self, ledger: Ledger) -> None:
        """The data base itself refuses."""
        write_history(ledger, "h")
        digest = bundle_digest(ledger)
        for sql in (
            "UPDATE attempts SET task = 'x'",
            "UPDATE verdicts SET value = 1",
            "UPDATE runs SET seed = '1'",
            "UPDATE choices SET outcome = 'left'",
            "DELETE FROM verdicts",
            "DELETE FROM tasks",
            "DELETE FROM runs",
            "DELETE FROM steps",
        ):
            with pytest.raises(LedgerError, match=r"append-only|recorded row"):
                ledger.transaction(lambda connection, sql=sql: connection.exec_driver_sql(sql))  # type: ignore[misc]
        ledger.finish("h", "done")
        assert ledger.run("h").status == "done"
        assert bundle_digest(ledger) == digest

    def test_all_or_nothing(self, ledger: Ledger) -> None:
        """A batch with one bad row leaves nothing, and the ledger goes on."""
        rows = make_attempts()
        for bad in (make_verdict("unknown", 1.0), make_verdict(rows[0].id, Score(1.0, {"p": float("nan")}))):
            with pytest.raises(LedgerError):
                ledger.record(rows, [make_verdict(rows[0].id, 1.0), bad], StepRow("r", 0, 1.0))
            assert [*ledger.attempts(), *ledger.verdicts(), *ledger.steps("r")] == []
        with pytest.raises(LedgerError, match="begin"):
            ledger.attempt(make_attempts("unknown"))
        bad_answer = Answer("t", {"a": [1, float("inf")]})
        with pytest.raises(LedgerError, match=r"value.a"):
            ledger.attempt([*rows, AttemptRow("x", "r", 0, 9, bad_answer)])
        ledger.attempt(rows)
        assert len(ledger.attempts()) == 3

    def test_the_newest_verdict_counts(self, ledger: Ledger) -> None:
        """Re-judging adds; superseded never counts; equal dates are decided by the order in the ledger."""
        (row,) = make_attempts(count=1)
        ledger.attempt([row])
        assert ledger.judged("r") == [(ledger.attempts()[0], None)]
        ledger.judge([make_verdict(row.id, 1.0, created=5.0)])
        ledger.judge([make_verdict(row.id, 0.25, "again", created=5.0)])
        ledger.judge([make_verdict(row.id, 7.0, "late", superseded=True, created=9.0)])
        assert [v.score.value for v in ledger.verdicts("r")] == [0.25]
        assert [v.score.value for v in ledger.verdicts("r", all=True)] == [1.0, 0.25, 7.0]
        ((_, newest),), ((_, first),) = ledger.judged("r"), ledger.judged("r", first=True)
        assert newest is not None
        assert first is not None
        assert (newest.score.value, first.score.value) == (0.25, 1.0)
        assert views.best(ledger, "r")[0][1].score.value == 0.25

    @pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
    def test_hostile_text_comes_back_as_it_was(self, ledger: Ledger, other: Ledger, tmp_path: Path, text: str) -> None:
        """In every place that takes text, and through a bundle."""
        recipe = {text: [text]}
        run = make_run(
            f"hostile{text}", challenge=text, split=text, solver=text, judge=text, recipe=recipe, created=1.0
        )
        ledger.begin(run)
        assert ledger.run(run.id) == run
        assert ledger.runs(text) == [run]
        ledger.tasks_seen(text, [Task(text, {"prompt": text})])
        answer = Answer(text, {text: text}, (text,), {text: text})
        row = AttemptRow(f"a{text}", run.id, 0, 0, answer)
        score = Score.failed("crash", text)
        verdict = VerdictRow(text, row.id, text, score, sandbox=text, reason=text, created=1.0)
        step = StepRow(run.id, 0, 1.0, checkpoint=text, note={text: text})
        ledger.record([row], [verdict], step)
        choice = ChoiceRow(text, run.id, 0, 0, text, text, text, Choice("left", 1.0, text), text)
        ledger.choose([choice])
        export_bundle(ledger, tmp_path / "bundle", run.id)
        import_bundle(other, tmp_path / "bundle")
        for book in (ledger, other):
            assert unnumbered(book.attempts(run.id)) == [row]
            assert [v.score for v in book.verdicts(run.id)] == [score]
            assert unnumbered(book.verdicts(run.id)) == unnumbered([verdict])
            assert book.steps(run.id) == [step]
            assert unnumbered(book.choices(run.id)) == [choice]
            assert book.tasks(text) == {text: Task(text, {"prompt": text})}

    def test_numbers_and_blobs_come_back_as_they_were(self, ledger: Ledger) -> None:
        """Extremes of what may be recorded."""
        values = [0.0, -0.0, 1e-300, 5e-324, 1.7976931348623157e308, -1 / 3, 1e16 + 2]
        blob = ledger.blobs.put(b"\x00\xff", "image/png")
        contents: list[Any] = [None, True, 10**40, 1.5, "x" * 100_000, [1, [2]], blob, blob.plain()]
        rows = [AttemptRow(f"a{i}", "r", i, 2**40, Answer("t", content)) for i, content in enumerate(contents)]
        ledger.attempt(rows)
        scores = [Score(value, {"p": value}, 0.1, (value, 2.0)) for value in values]
        ledger.judge([make_verdict(row.id, score) for row, score in zip(rows, scores, strict=False)])
        assert [row.answer.content for row in ledger.attempts()] == contents
        assert isinstance(ledger.attempts()[6].answer.content, Blob)
        assert [v.score for v in ledger.verdicts()] == scores
        assert ledger.blobs.get(blob) == b"\x00\xff"
        assert ledger.begin(make_run("big", seed=2**64)).seed == 2**64

    def test_a_run_goes_on_only_as_it_began(self, ledger: Ledger) -> None:
        """Same id, other identity."""
        assert ledger.begin(make_run(versions={"python": "4"}, budget={})) == ledger.run("r")
        for change in ({"seed": 1}, {"challenge": "d"}, {"recipe": {"solver": {"k": 2}}}, {"split": "x"}):
            with pytest.raises(LedgerError, match="goes on as it began"):
                ledger.begin(make_run(**change))
        with pytest.raises(LedgerError, match="status"):
            ledger.finish("r", "perhaps")

    def test_runs_are_found_by_the_beginning_of_their_names(self, ledger: Ledger) -> None:
        """And the newest by "last"."""
        ledger.begin(make_run("abc1"))
        ledger.begin(make_run("abd2"))
        assert ledger.run("abc").id == "abc1"
        assert ledger.run("last").id == ledger.run("latest").id == "abd2"
        with pytest.raises(LedgerError, match="fits 2"):
            ledger.run("ab")
        with pytest.raises(LedgerError, match="Did you mean abc1"):
            ledger.run("abx1")

    def test_revision_grows_with_every_row(self, ledger: Ledger) -> None:
        """So that a page knows when to look again."""
        seen = [ledger.revision()]
        rows = make_attempts()
        ledger.attempt(rows)
        seen.append(ledger.revision())
        ledger.judge([make_verdict(rows[0].id, 1.0)])
        seen.append(ledger.revision())
        ledger.commit_step(StepRow("r", 0, 1.0))
        seen.append(ledger.revision())
        ledger.attempt(rows)
        assert seen == sorted(set(seen))
        assert ledger.revision() == seen[-1]

    def test_a_newer_schema_is_refused(self, opened: Callable[[], Ledger], ledger: Ledger) -> None:
        """By an older program, with a sentence."""
        ledger.transaction(lambda connection: connection.exec_driver_sql("UPDATE schema SET version_num = '0099'"))
        with pytest.raises(LedgerError, match=r"newer guerdon.*Upgrade"):
            opened()

    # ── bundles ─────────────────────────────────────────────────────────────────────────────────────────────────

    def test_export_and_import_is_the_same_ledger(self, ledger: Ledger, other: Ledger, tmp_path: Path) -> None:
        """As a folder and as a .zip, and importing twice is importing once."""
        write_history(ledger, "h", seed=1)
        write_history(ledger, "i", seed=2)
        digest = export_bundle(ledger, tmp_path / "folder")
        assert digest == export_bundle(ledger, tmp_path / "file.zip") == bundle_digest(ledger)
        for name in ("folder", "file.zip"):
            import_bundle(other, tmp_path / name)
            assert bundle_digest(other) == digest
            assert all_views(other, "h") == all_views(ledger, "h")
            assert other.runs() == sorted(ledger.runs(), key=lambda run: run.id)
        import_bundle(ledger, tmp_path / "folder")
        assert bundle_digest(ledger) == digest
        assert bundle_digest(other, "h") == bundle_digest(ledger, "h") != bundle_digest(ledger, "i")

    # ── processes ───────────────────────────────────────────────────────────────────────────────────────────────

    def test_two_processes_write_at_once(self, ledger: Ledger, opened: Callable[[], Ledger]) -> None:
        """Nothing is lost, nothing is there twice."""
        children = [_child(ledger, "append", "r", str(start), "15") for start in (0, 0, 100)]
        for child in children:
            out, _ = child.communicate(timeout=120)
            assert child.returncode == 0
            assert len(out.split()) == 15
        found = ledger.judged("r")
        assert [(row.step, row.index) for row, _ in found] == [(s, i) for s in _steps(15) for i in range(7)]
        assert all(verdict is not None for _, verdict in found)
        assert len({row.id for row, _ in found}) == len(found)

    def test_a_killed_writer_leaves_whole_batches(self, ledger: Ledger, opened: Callable[[], Ledger]) -> None:
        """Every acknowledged batch is there, none is half there, and the next process goes on."""
        draw = random.Random(5)
        for turn in range(self.kills):
            with _child(ledger, "append", "r", str(10**6 * turn), str(10**6)) as child:
                assert child.stdout is not None
                assert child.stdout.readline()
                time.sleep(draw.random() * 0.2)
                child.send_signal(signal.SIGKILL)
                told = 1 + len(child.stdout.read().splitlines())
            again = opened()
            again.transaction(lambda _: None)  # a server may still be at the dead writer's last commit: queue behind it
            steps = {row.step for row in again.steps("r") if row.step >= 10**6 * turn}
            assert steps >= set(range(10**6 * turn, 10**6 * turn + told))
            counts: dict[int, int] = {}
            for row, verdict in again.judged("r"):
                assert verdict is not None
                counts[row.step] = counts.get(row.step, 0) + 1
            assert set(counts.values()) == {7}
            assert {step for step in counts if step >= 10**6 * turn} == steps
            again.close()

    def test_a_lock_excludes_and_dies_with_its_holder(self, ledger: Ledger) -> None:
        """Across processes, within one, and after SIGKILL."""
        with _child(ledger, "lock", "r") as child:
            assert child.stdout is not None
            assert child.stdout.readline().strip() == b"held"
            with pytest.raises(LedgerError, match="being worked on"), ledger.lock("r"):
                pass
            with ledger.lock("another"):
                pass
            child.send_signal(signal.SIGKILL)
        _eventually(lambda: _locks(ledger))
        with ledger.lock("r"), pytest.raises(LedgerError, match="being worked on"), ledger.lock("r"):
            pass
        with ledger.lock("r"):
            pass

    def test_a_forked_child_has_its_own_connection(self, ledger: Ledger) -> None:
        """And leaves its parent's alone."""
        if threading.active_count() > 1:
            pytest.skip("forking a process with threads")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                ledger.attempt(make_attempts(step=1))
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        ledger.attempt(make_attempts(step=2))
        assert {row.step for row in ledger.attempts()} == {1, 2}

    def test_threads_take_turns(self, ledger: Ledger) -> None:
        """One ledger, many threads."""
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for step in range(number * 10, number * 10 + 10):
                    ledger.record(make_attempts(step=step), [], StepRow("r", step, 0.1))
                    ledger.spent("r")
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert ledger.spent("r")["attempts"] == 120


def _steps(count: int) -> list[int]:
    return [*range(count), *range(100, 100 + count)]


def _locks(ledger: Ledger) -> bool:
    try:
        with ledger.lock("r"):
            return True
    except LedgerError:
        return False


def _eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "this should have become true"
        time.sleep(0.02)


def _child(ledger: Ledger, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "guerdon.testing.ledger", ledger.url, str(ledger.folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _main(url: str, files: str, what: str, run: str, *rest: str) -> None:
    """A child process of the contract: appends steps and says each once it is recorded, or holds a lock."""
    with Ledger.open(url, files=files) as ledger:
        if what == "lock":
            with ledger.lock(run):
                print("held", flush=True)
                time.sleep(600)
        start, count = map(int, rest)
        for step in range(start, start + count):
            rows = make_attempts(run, step, 7)
            ledger.record(rows, [make_verdict(row.id, 1.0) for row in rows], StepRow(run, step, 0.1))
            print(step, flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
