"""The vault: tasks meet keys here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from guerdon.core.challenge import Challenge
from guerdon.core.errors import ChallengeError, GuerdonError, SolverError, did_you_mean
from guerdon.core.plain import not_plain
from guerdon.core.task import Answer, Case, Key, Task

MAX_ID = 200


class Vault:
    """The tasks of one split and the keys to them, opened by the bench only.

    Keys are asked from the challenge when a judge first needs them, are never written to the ledger, an argument
    or the environment, and do not show in `repr`.
    """

    def __init__(self, challenge: Challenge, split: str) -> None:
        challenge.visibility(split)
        self._challenge = challenge
        self.tasks: dict[str, Task] = {}
        for task in _each(challenge, split):
            problem = bad_task(task, self.tasks)
            if problem:
                raise ChallengeError(f"tasks of {challenge.name}/{split} have plain data and ids of their own", problem)
            self.tasks[task.id] = task
        self._keys: dict[str, Key] = {}

    def __repr__(self) -> str:
        return f"Vault({self._challenge.name}, {len(self.tasks)} tasks)"

    def task(self, answer: Answer) -> Task:
        """The task that an answer is for.

        Raises:
            SolverError: the answer names a task that is not in this split.
        """
        task = self.tasks.get(answer.task)
        if task is None:
            raise SolverError(
                f"an answer names a task of {self._challenge.name}",
                f"got {answer.task!r:.80}",
                did_you_mean(str(answer.task), list(self.tasks)[:1000]),
            )
        return task

    def cases(self, answers: Sequence[Answer]) -> list[Case]:
        """Cases for a batch, with keys fetched once per task.

        Raises:
            SolverError: an answer names a task that is not in this split.
            ChallengeError: the challenge gave another number of keys.
        """
        missing = [self.tasks[a.task] for a in answers if a.task in self.tasks and a.task not in self._keys]
        missing = list({task.id: task for task in missing}.values())
        if missing:
            keys = list(self._challenge.keys(missing))
            if len(keys) != len(missing):
                raise ChallengeError("keys(tasks) returns one key per task", f"got {len(keys)} for {len(missing)}")
            self._keys.update((task.id, key) for task, key in zip(missing, keys, strict=True))
        return [Case(self.task(answer), answer, self._keys[answer.task]) for answer in answers]


def _each(challenge: Challenge, split: str) -> Iterable[Task]:
    try:
        yield from challenge.tasks(split)
    except GuerdonError:
        raise
    except Exception as error:
        raise ChallengeError(f"{challenge.name} lists its tasks", f"{type(error).__name__}: {error}") from error


def bad_task(task: object, seen: Iterable[str] = ()) -> str | None:
    """Say what is wrong with a task, or `None`."""
    if not isinstance(task, Task):
        return f"got a {type(task).__name__} instead of a Task"
    name = task.id
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID or not name.isprintable() or name != name.strip():
        return f"the id {name!r:.80} is not 1 to {MAX_ID} printable characters"
    if ".." in name or "\\" in name or name.startswith("/"):
        return f"the id {name!r} could be taken for a path outside"
    if name in seen:
        return f"the id {name!r} comes twice"
    return not_plain(task.data, f"{name}.data")
