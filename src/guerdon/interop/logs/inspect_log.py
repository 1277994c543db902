"""Inspect's logs: `.eval` (a zip with a file for each sample) and `.json`, versions 1 and 2.

Source: the log format of inspect_ai 0.3 (its documentation, "Eval Logs"). A sample's value may be "C", "I", "P" or "N",
a number, words like "yes", or an object of such values; NaN means that it was not scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from guerdon.core.plain import Json
from guerdon.core.score import Score
from guerdon.interop.logs.log_zip import Files, files_of
from guerdon.interop.logs.things import (
    Claimed,
    Log,
    Sample,
    damaged,
    duration,
    finite,
    listed,
    loads,
    mapping,
    score_of,
    text,
    whole,
)

VERSIONS = (1, 2)
LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
STATUS = {"success": "done", "cancelled": "interrupted", "started": "interrupted", "error": "failed"}
MEANS = ("accuracy", "mean")
HEADER, START, SAMPLES = "header.json", "_journal/start.json", "samples/"

Parts = dict[str, float | None]


def open_inspect(path: Path, digest: str) -> Log:
    """Open a log of Inspect; its samples are read when they are asked for.

    Args:
        path: an `.eval` or a `.json` file.
        digest: of the file.

    Raises:
        ConfigError: it is no such log.
    """
    return _of_json(path, digest) if path.suffix == ".json" else _of_zip(path, digest)


def _of_json(path: Path, digest: str) -> Log:
    try:
        header = loads(path.read_bytes())
    except ValueError as error:
        got = f"it cannot be read: {error}"
        raise damaged(path, "an Inspect log in JSON", got, "If its writer died, take the .eval beside it") from None
    samples = listed(mapping(header).get("samples"))

    def each(log: Log) -> Iterator[tuple[str, Any]]:
        yield from ((f"sample {place}", sample) for place, sample in enumerate(samples))

    return _log(path, digest, header, each)


def _of_zip(path: Path, digest: str) -> Log:
    files, trouble = files_of(path)
    name = HEADER if HEADER in files else START
    if name not in files:
        raise damaged(path, "an Inspect log", f"there is neither {HEADER} nor {START} in it", "Name another file")
    try:
        header = loads(files[name]())
    except ValueError as error:
        raise damaged(path, "an Inspect log", f"{name}: {error}") from None
    log = _log(path, digest, header, lambda log: _entries(files, log))
    if trouble:
        log.skip(path.name, trouble)
    if name == START:
        log.status = "interrupted"
        log.notes.append("It was never finished: the log says nothing of all samples")
    return log


def _entries(files: Files, log: Log) -> Iterator[tuple[str, Any]]:
    for name in files:
        if name.startswith(SAMPLES) and name.endswith(".json"):
            try:
                yield name, loads(files[name]())
            except ValueError as error:
                log.skip(name, str(error))


def _log(path: Path, digest: str, header: Any, each: Callable[[Log], Iterator[tuple[str, Any]]]) -> Log:
    told = mapping(mapping(header).get("eval"))
    if not told:
        raise damaged(path, "an Inspect log", "it has no field eval", "Name a .json or .eval that Inspect wrote")
    results = mapping(header.get("results"))
    claims = _claims(results, _reducers(told, results))
    main = _headline(results) or (claims[0].name if claims else _first_scorer(told))
    log = Log(
        "inspect",
        text(mapping(told.get("packages")).get("inspect_ai")),
        path,
        digest,
        task=text(told.get("task"), "unknown"),
        model=text(told.get("model"), "unknown"),
        main=main,
        samples=lambda: _samples(log, each),
        top=1.0 if main in _accuracies(results) else None,
        asked=whole(mapping(told.get("dataset")).get("samples")),
        status=STATUS.get(text(header.get("status")), "failed"),
        created=_when(told.get("created")),
        claims=claims,
    )
    if (version := header.get("version")) not in VERSIONS:
        log.notes.append(f"It is of version {version!r}; versions 1 and 2 are known, so look whether it is all there")
    return log


def _when(value: object) -> float:
    try:
        return datetime.fromisoformat(text(value)).timestamp()
    except ValueError:
        return 0.0


# ── what the log says of all samples ────────────────────────────────────────────────────────────────────────────────


def _reducers(told: Mapping[str, Any], results: Mapping[str, Any]) -> set[str]:
    """How the scores of several epochs were made one. The mean, if nothing is said."""
    named = {text(mapping(score).get("reducer")) for score in listed(results.get("scores"))} - {""}
    config = mapping(told.get("config")).get("epochs_reducer")
    return named | {text(each) for each in listed(config)} or {"mean"}


def _metrics(results: Mapping[str, Any]) -> Iterator[tuple[str, str, object]]:
    """Each measure, the metric over it, and its value."""
    for score in map(mapping, listed(results.get("scores"))):
        name = _name(text(score.get("scorer")), text(score.get("name")))
        for kind, metric in mapping(score.get("metrics")).items():
            yield name, kind, mapping(metric).get("value")


def _claims(results: Mapping[str, Any], reducers: set[str]) -> list[Claimed]:
    why = "" if reducers == {"mean"} else f"epochs were reduced by {', '.join(sorted(reducers))}"
    return [Claimed(name, finite(value), why) for name, kind, value in _metrics(results) if kind in MEANS]


def _accuracies(results: Mapping[str, Any]) -> set[str]:
    """The measures that say how often it was right, so that nothing is better than 1."""
    return {name for name, kind, _ in _metrics(results) if kind == "accuracy"}


def _name(scorer: str, name: str) -> str:
    """A scorer's own value has its name; a value in an object of values has both."""
    return scorer if name in ("", scorer) else f"{scorer}.{name}" if scorer else name


def _headline(results: Mapping[str, Any]) -> str:
    told = mapping(results.get("headline"))
    return _name(text(told.get("scorer")), text(told.get("score")))


def _first_scorer(told: Mapping[str, Any]) -> str:
    return next((text(mapping(each).get("name")) for each in listed(told.get("scorers"))), "score")


# ── samples ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _samples(log: Log, each: Callable[[Log], Iterator[tuple[str, Any]]]) -> Iterator[Sample]:
    for where, found in each(log):
        sample = mapping(found)
        name, epoch = sample.get("id"), whole(sample.get("epoch", 1), least=1)
        if not isinstance(name, (str, int)) or epoch is None:
            log.skip(where, "it has no id, or no epoch from 1 on")
            continue
        resolve = _resolver(mapping(sample.get("attachments")))
        usage = mapping(sample.get("model_usage")).values()
        yield Sample(
            task=str(name),
            epoch=epoch - 1,
            prompt=_prompt(sample.get("input"), resolve),
            answer=resolve(_answer(mapping(sample.get("output")))),
            score=_score(sample, log.main),
            seconds=duration(sample.get("total_time")),
            tokens=sum(whole(mapping(spent).get("total_tokens")) or 0 for spent in usage),
        )


def _resolver(attachments: Mapping[str, Any]) -> Callable[[str], str]:
    """Long texts stand beside the messages, under names of their own."""

    def resolve(told: str) -> str:
        name = told.removeprefix("attachment://")
        return text(attachments.get(name), told) if name != told else told

    return resolve


def _prompt(given: object, resolve: Callable[[str], str]) -> Json:
    if isinstance(given, str):
        return resolve(given)
    return [
        {"role": text(message.get("role")), "content": resolve(_content(message.get("content")))}
        for message in map(mapping, listed(given))
    ]


def _content(given: object) -> str:
    """Text as it is; of other parts only that they were there."""
    if isinstance(given, str):
        return given
    parts = map(mapping, listed(given))
    return "\n".join(text(part.get("text"), f"[{text(part.get('type'), 'part')}]") for part in parts)


def _answer(output: Mapping[str, Any]) -> str:
    if said := text(output.get("completion")):
        return said
    first = mapping(next(iter(listed(output.get("choices"))), None))
    return _content(mapping(first.get("message")).get("content"))


def _score(sample: Mapping[str, Any], main: str) -> Score:
    if error := mapping(sample.get("error")):
        return Score.failed("exception", text(error.get("message"), "it broke")[:500], "host")
    scores = mapping(sample.get("scores")) or ({main: sample["score"]} if sample.get("score") else {})
    parts: Parts = {}
    for name, score in scores.items():
        parts.update(_values(name, mapping(score).get("value")))
    return score_of(parts, main)


def _values(name: str, value: object) -> Parts:
    if isinstance(value, dict):
        return {f"{name}.{key}": _value(each) for key, each in value.items()}
    if isinstance(value, list):
        return {f"{name}.{place}": _value(each) for place, each in enumerate(value)}
    return {name: _value(value)}


def _value(value: object) -> float | None:
    """What Inspect's own metrics make of it, except that a word nobody knows is not a zero.

    >>> _value("C"), _value("no"), _value("0.25"), _value("perhaps"), _value(float("nan"))
    (1.0, 0.0, 0.25, None, None)
    """
    if not isinstance(value, str):
        return finite(value)
    if (known := LETTERS.get(value, WORDS.get(value.lower()))) is not None:
        return known
    try:
        return finite(float(value))
    except ValueError:
        return None
