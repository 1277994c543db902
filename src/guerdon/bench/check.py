"""A challenge checks itself before anybody else does: oracle at the top, nothing for nothing, no gain by cheating."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from guerdon.bench.vault import Vault
from guerdon.bench.workers import judge_here
from guerdon.core.challenge import Challenge, Probes
from guerdon.core.errors import GuerdonError
from guerdon.core.plain import canonical
from guerdon.core.preference import Preference
from guerdon.core.reward import Reward
from guerdon.core.score import Score
from guerdon.core.task import Answer, Task

SAMPLE = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Args:
        name: what should hold.
        ok: whether it does; `None` when it could not be checked.
        detail: the figure, or what was found instead.
        examples: tasks at which it failed.
    """

    name: str
    ok: bool | None
    detail: str
    examples: list[str] = field(default_factory=list)


def check(challenge: Challenge, split: str | None = None, on_step: Callable[[str], None] = print) -> Iterator[Finding]:
    """Check a challenge; yields findings as they come.

    Args:
        challenge: the challenge.
        split: which split; the first by default.
        on_step: told what is being checked next.
    """
    split = split or next(iter(challenge.splits))
    try:
        vault = Vault(challenge, split)
    except GuerdonError as error:
        yield Finding("tasks are plain and have ids of their own", False, str(error))
        return
    tasks = list(vault.tasks.values())
    yield Finding("tasks are plain and have ids of their own", bool(tasks), f"{len(tasks)} tasks in {split}")
    if not tasks:
        return
    again = [task.digest for task in challenge.tasks(split)]
    yield _finding("tasks are the same each time", [t.id for t, d in zip(tasks, again) if t.digest != d], len(tasks))
    yield _disjoint(challenge, split, tasks)
    on_step("searching tasks for secrets")
    yield _no_leaks(challenge, tasks)
    judge = challenge.judge
    if isinstance(judge, Preference):
        yield Finding("probes", None, "judged by preference: nothing to probe yet")
        return
    probes = challenge.probes(tasks)
    on_step(f"judging {len(probes.oracle)} oracle answers")
    yield _oracle(vault, probes.oracle_judge or judge, probes)
    on_step("judging do-nothing answers and known cheats")
    yield _no_gain("doing nothing earns nothing", vault, judge, list(probes.nothing), probes.floor)
    for name, answers in probes.cheats.items():
        yield _no_gain(f"cheat gains nothing: {name}", vault, judge, list(answers), probes.floor)
    on_step("judging in another order and one by one")
    yield _invariant(vault, judge, [*probes.oracle[:SAMPLE], *probes.nothing[:SAMPLE]])


def _finding(name: str, bad: Sequence[str], total: int) -> Finding:
    return Finding(name, not bad, f"{total - len(bad)} of {total}", list(bad[:10]))


def _disjoint(challenge: Challenge, split: str, tasks: Sequence[Task]) -> Finding:
    mine = {canonical(task.data): task.id for task in tasks}
    shared = [
        f"{task.id} ({other})"
        for other in challenge.splits
        if other != split
        for task in challenge.tasks(other)
        if canonical(task.data) in mine
    ]
    return Finding("splits share no task", not shared, f"{len(shared)} shared", shared[:10])


def _no_leaks(challenge: Challenge, tasks: Sequence[Task]) -> Finding:
    secrets = set(challenge.secrets(tasks))
    texts = [(task.id, " ".join(_strings(task.data))) for task in tasks]
    leaks = [name for name, text in texts if any(secret in text for secret in secrets)]
    return Finding("no secret is in a task", not leaks, f"{len(secrets)} secrets, {len(leaks)} leaks", leaks[:10])


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif hasattr(value, "items"):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)
    else:
        yield canonical(value)


def _scores(vault: Vault, judge: Reward, answers: Sequence[Answer]) -> list[Score]:
    return judge_here(judge, vault.cases(answers)).scores


def _oracle(vault: Vault, judge: Reward, probes: Probes) -> Finding:
    if not probes.oracle:
        return Finding("the oracle reaches the top", None, "the challenge names no oracle answers")
    scores = _scores(vault, judge, probes.oracle)
    bad = [
        f"{answer.task}: {score.fault or score.value}"
        for answer, score in zip(probes.oracle, scores, strict=True)
        if score.value is None or score.value < probes.top
    ]
    return _finding("the oracle reaches the top", bad, len(scores))


def _no_gain(name: str, vault: Vault, judge: Reward, answers: Sequence[Answer], floor: float) -> Finding:
    if not answers:
        return Finding(name, None, "the challenge names none")
    scores = _scores(vault, judge, answers)
    gained = [
        f"{answer.task}: {score.value}"
        for answer, score in zip(answers, scores, strict=True)
        if score.value is not None and score.value > floor
    ]
    return _finding(name, gained, len(scores))


def _invariant(vault: Vault, judge: Reward, answers: Sequence[Answer]) -> Finding:
    """Same scores in reverse order and one by one (for rewards of answers)."""
    name = "scores do not depend on the batch"
    if judge.unit == "group" or not answers:
        return Finding(name, None, "judged by group" if answers else "nothing to judge")
    before = canonical([answer.content for answer in answers if not hasattr(answer.content, "digest")])
    together = [score.value for score in _scores(vault, judge, answers)]
    backwards = [score.value for score in _scores(vault, judge, answers[::-1])][::-1]
    alone = [_scores(vault, judge, [answer])[0].value for answer in answers]
    bad = [a.task for a, x, y, z in zip(answers, together, backwards, alone, strict=True) if not x == y == z]
    after = canonical([answer.content for answer in answers if not hasattr(answer.content, "digest")])
    if before != after:
        return Finding(name, False, "the judge changed an answer it was given")
    return _finding(name, bad, len(answers))
