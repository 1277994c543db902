"""Training sets out of the record: prompts with completions and rewards, and preferred pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

from guerdon.core.plain import Blob, Json, canonical
from guerdon.core.task import Answer, Task
from guerdon.ledger.codec import pack
from guerdon.ledger.ledger import Ledger
from guerdon.ledger.rows import AttemptRow, RunRow


class Example(TypedDict):
    """A completion with its reward."""

    prompt: Any
    completion: Any
    reward: float
    task: str
    attempt: str


class PreferredPair(TypedDict):
    """Two completions, one of which was preferred."""

    prompt: Any
    chosen: Any
    rejected: Any
    strength: float
    task: str
    annotator: str


PromptOf = Callable[[Task], Any]
CompletionOf = Callable[[Answer], Any]


def prompt_of(task: Task) -> Json:
    """What was asked: `data["prompt"]` (text or messages) if there is one, else all of the data as JSON."""
    prompt = task.data.get("prompt")
    return canonical(task.data) if prompt is None else prompt


def completion_of(answer: Answer) -> Json:
    """What was answered: text, or the one text of a mapping, or the content as JSON."""
    content = answer.content
    if isinstance(content, Blob):
        return canonical(content.plain())
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        for name in ("completion", "text", "code", "source"):
            if isinstance(text := content.get(name), str):
                return text
    return canonical(content)


def training_set(
    ledger: Ledger,
    run: str | None = None,
    *,
    challenge: str | None = None,
    min_score: float | None = None,
    reveal: bool = False,
    prompt: PromptOf = prompt_of,
    completion: CompletionOf = completion_of,
) -> list[Example]:
    """Every answer whose score is known, of one run or of all runs of a challenge.

    Args:
        ledger: where from.
        run: one run, or
        challenge: all runs of this challenge; with neither, all runs.
        min_score: leave out lower scores.
        reveal: also from sealed splits.
        prompt: text of a task.
        completion: text of an answer.
    """
    rows = []
    for row in _open_runs(ledger, run, challenge, reveal):
        tasks = ledger.tasks(row.challenge)
        for attempt, verdict in ledger.each_judged(row.id):
            value = None if verdict is None else verdict.score.value
            if value is None or (min_score is not None and value < min_score):
                continue
            task = tasks.get(attempt.answer.task) or Task(attempt.answer.task)
            text = completion(attempt.answer)
            rows.append(Example(prompt=prompt(task), completion=text, reward=value, task=task.id, attempt=attempt.id))
    return rows


def preferences(
    ledger: Ledger,
    run: str | None = None,
    *,
    challenge: str | None = None,
    reveal: bool = False,
    prompt: PromptOf = prompt_of,
    completion: CompletionOf = completion_of,
) -> list[PreferredPair]:
    """Pairs of which one was chosen; ties, skips and faults are left out, as are answers that are not recorded."""
    rows = []
    for row in _open_runs(ledger, run, challenge, reveal):
        tasks = ledger.tasks(row.challenge)
        choices = [item for item in ledger.choices(row.id) if item.choice.outcome in ("left", "right")]
        choices.sort(key=lambda item: (item.step, item.index, item.seq))
        answers = attempts_by_id(ledger, [name for item in choices for name in (item.left, item.right)])
        for item in choices:
            sides = (item.left, item.right) if item.choice.outcome == "left" else (item.right, item.left)
            if sides[0] not in answers or sides[1] not in answers:
                continue
            chosen, rejected = (completion(answers[name].answer) for name in sides)
            rows.append(
                PreferredPair(
                    prompt=prompt(tasks.get(item.task) or Task(item.task)),
                    chosen=chosen,
                    rejected=rejected,
                    strength=item.choice.strength,
                    task=item.task,
                    annotator=item.annotator or item.choice.judge,
                )
            )
    return rows


def attempts_by_id(ledger: Ledger, names: Sequence[str]) -> dict[str, AttemptRow]:
    """Attempts by id, as far as they are recorded."""
    from guerdon.ledger import codec

    found: dict[str, AttemptRow] = {}
    wanted = [pack(name) for name in dict.fromkeys(names)]
    for first in range(0, len(wanted), 500):
        some = wanted[first : first + 500]
        marks = ", ".join("?" * len(some))
        sql = f"SELECT {codec.ATTEMPT} FROM attempts a JOIN runs r ON r.seq = a.run WHERE a.id IN ({marks})"
        found.update((row.id, row) for row in map(codec.attempt_row, ledger.query(sql, some)))
    return found


def _open_runs(ledger: Ledger, run: str | None, challenge: str | None, reveal: bool) -> Iterator[RunRow]:
    rows = ledger.runs(challenge) if run is None else [ledger.run(run)]
    return (row for row in rows if reveal or row.visibility != "sealed")
