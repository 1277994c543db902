"""A host where strangers have written into every field there is, and the pages that show it."""

from __future__ import annotations

from collections.abc import Sequence

from hosting_helpers import FREE, Numbers, OneFile, guess, judged, person

from guerdon import Answer, Score, Task
from guerdon.hosting import Actor, Host, Item, Phase
from guerdon.ledger import AttemptRow, RunRow, StepRow, VerdictRow, attempt_id, verdict_id

ADMIN = Actor.local()


def furnish(host: Host, texts: Sequence[str]) -> list[str]:
    """Write each text wherever a name, a note, an answer, a fault or a rationale is taken; returns the pages."""
    pages = ["/challenges", "/queue", "/submissions", "/people", "/systems", "/runs", "/compare", "/challenges/new",
             "/challenges/import", "/log", "/api"]  # fmt: skip
    pages += _contest(host, texts)
    pages += [f"/people/{each.id}" for each in host.people.list(ADMIN)]
    pages += _run(host, texts)
    pages += _project(host, texts)
    return pages


def first_of(texts: Sequence[str]) -> str:
    """The name of the person who came first."""
    return f"{_printable(texts[0])[:50]} 00"


def _printable(text: str) -> str:
    """A name of a person, a team or a phase; what cannot be printed is refused there."""
    return text.strip() if text.isprintable() else "plain"


def _contest(host: Host, texts: Sequence[str]) -> list[str]:
    phases = [Phase(f"{_printable(texts[0])[:30]} {name}", name, limits=FREE) for name in ("open", "final")]
    rules = "\n\n".join(f"# {text}\n\n{text}\n\n- {text}\n\n| {text} |\n|---|\n| {text} |" for text in texts)
    host.contests.create(ADMIN, Numbers(), "numbers", texts[0], phases, rules, public=True)
    host.contests.create(ADMIN, OneFile(), "onefile", texts[-1], [Phase("only", "open", limits=FREE)], rules)
    pages = [
        f"/challenges/{slug}{rest}" for slug in ("numbers", "onefile") for rest in ("", "/submit", "/alike", "/edit")
    ]
    for place, text in enumerate(texts):
        pages += _entries(host, phases[0].name, text, place)
    last = host.submissions.list_for(ADMIN)[0]
    host.submissions.retry(ADMIN, last.id)
    assert host.queue.lease(texts[0]) is not None  # a worker of that name, at work for as long as the page is looked at
    return pages


def _entries(host: Host, phase: str, text: str, place: int) -> list[str]:
    actor = person(host, f"{_printable(text)[:50]} {place:02}", team=f"{_printable(text)[:55]} {place:02}")
    host.people.new_api_token(actor, text)
    done = host.submissions.submit(actor, "numbers", phase, guess("open", text, {text: text}, [text]), text, text)
    judged(host, done, *[Score(0.5 + place / 1000, {text: 0.5})] * 3)
    failed = host.submissions.submit(actor, "numbers", phase, guess("open", text, text, text), text, text)
    judged(host, failed, *[Score.failed("judge", text, whose="judge")] * 3)
    file = host.submissions.submit(actor, "onefile", "only", b"1", text, text)
    judged(host, file, Score.failed("invalid", text))
    return [f"/submissions/{item.id}" for item in (done, failed, file)]


def _run(host: Host, texts: Sequence[str]) -> list[str]:
    """A run whose names, recipe and answers are theirs too; its attempts come from one another."""
    text = texts[0]
    recipe = {"challenge": {"kind": text}, "solver": {"kind": text, text: text}, "judge": {text: text}}
    row = RunRow(
        "r1", challenge=text, split=text, visibility="open", solver=text, judge=text, seed=0, budget={"attempts": 99},
        recipe=recipe, versions={text: text}, created=1.7e9, status="done",
    )  # fmt: skip
    host.ledger.begin(row)
    host.ledger.tasks_seen(text, [Task(text, {text: text})])
    ids: list[str] = []
    for step, each in enumerate(texts):
        answer = Answer(text, [each, {each: each}], tuple(ids[-1:]), note={each: each})
        attempt = AttemptRow(attempt_id("r1", step, 0, answer), "r1", step, 0, answer)
        score = Score.failed("judge", each, whose="judge") if step % 3 == 1 else Score(0.5, {each: 1.0})
        verdict = VerdictRow(verdict_id(attempt.id, text), attempt.id, text, score, sandbox=each, created=1.7e9)
        host.ledger.record([attempt], [verdict], StepRow("r1", step, 1.0, 0, 0.5))
        ids.append(attempt.id)
    return ["/runs/r1", "/runs/r1/report", *(f"/attempts/{each}" for each in ids[-5:])]


def _project(host: Host, texts: Sequence[str]) -> list[str]:
    comparisons = host.comparisons
    comparisons.create(ADMIN, "chat", texts[0], texts[-1])
    items = [
        Item(f"{text[:99]}{place}{side}", content, prompt=f"{text} {place}", system=f"{text} {side}")
        for place, text in enumerate(texts)
        for side, content in enumerate((text, [{"role": text, "content": text}], {text: text}, [{text: text}]))
    ]
    comparisons.add(ADMIN, "chat", items)
    for _ in range(3):
        pair = comparisons.next_pair(ADMIN, "chat")
        assert pair is not None
        comparisons.choose(ADMIN, pair.id, "first", pair.version)
    return ["/compare/chat", "/compare/chat/pairs", "/compare/chat/standing", "/compare/chat/review"]
