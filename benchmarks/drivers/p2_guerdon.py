"""Records attempts with guerdon: the whole loop, a trivial learner and reward, an SQLite file."""

import os
from dataclasses import dataclass
from pathlib import Path

from speak import serve

import guerdon
from guerdon import Answer, Challenge, Learner, Ledger, Reward, Task

TASK = "numbers/any"
STATE = {}


@dataclass(frozen=True, kw_only=True)
class Worth(Reward):
    """A number in [0, 1) that follows from the answer."""

    def judge(self, cases):
        return [case.answer.content * 7919 % 1000 / 1000 for case in cases]


@dataclass(frozen=True, kw_only=True)
class Numbers(Challenge):
    """One task; any number answers it."""

    name = "numbers"

    @property
    def judge(self):
        return Worth()

    def tasks(self, split):
        return [Task(TASK)]


@dataclass(frozen=True, kw_only=True)
class Count(Learner):
    """Hands in 0, 1, 2, ... in batches."""

    batch: int = 1
    note: str = ""
    name = "count"

    def start(self, problem, rng):
        return 0

    def ask(self, problem, state, rng):
        note = {"note": self.note} if self.note else {}
        return [Answer(TASK, state + i, note=note) for i in range(self.batch)]

    def tell(self, problem, state, judged, rng):
        return state + len(judged)


def prepare(folder, **_):
    """Make the data base, as a user does once."""
    STATE["path"] = Path(folder) / "guerdon.db"
    STATE["ledger"] = Ledger.open(STATE["path"])


def record(count, batch, note=0, **_):
    """Record so many attempts."""
    guerdon.run(Count(batch=batch, note="x" * note), Numbers(), ledger=STATE["ledger"], budget=count)


def record_by_two(count, batch, note=0, **_):
    """Two processes record half each, in runs of their own, into the one file."""
    STATE["ledger"].close()
    half = count // 2
    children = []
    for seed in (1, 2):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with Ledger.open(STATE["path"]) as ledger:
                    solver = Count(batch=batch, note="x" * note)
                    guerdon.run(solver, Numbers(), ledger=ledger, budget=half, seed=seed)
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    if any(os.waitpid(pid, 0)[1] for pid in children):
        raise RuntimeError("a writer failed")
    STATE["ledger"] = Ledger.open(STATE["path"])


def read(**_):
    """What is in the data base: answer, value and length of the note, sorted."""
    found = []
    with STATE.pop("ledger") as ledger:
        for run in ledger.runs():
            for attempt, verdict in ledger.judged(run.id):
                answer = attempt.answer
                found.append([answer.content, verdict.score.value, len(answer.note.get("note", ""))])
    return sorted(found)


if __name__ == "__main__":
    serve({"prepare": prepare, "record": record, "record_by_two": record_by_two, "read": read})
