"""Samples that lm-evaluation-harness writes with `--log_samples`: `samples_TASK_DATE.jsonl`, and results beside them.

Source: the output of lm_eval 0.4 (its documentation, "Saving results"). A file may hold every document several times,
once for each filter of the task; each filter is a log of its own here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from guerdon.core.plain import Json, digest, not_plain
from guerdon.interop.logs.things import (
    LINE,
    Claimed,
    Log,
    Sample,
    damaged,
    finite,
    listed,
    loads,
    mapping,
    score_of,
    text,
    whole,
)

NAME = re.compile(r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d\d-\d\dT[\d.\-]+))?\.jsonl$")
OURS = {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash",
        "prompt_hash", "target_hash", "version", "sample_id"}  # fmt: skip
"""Fields of a sample that are no measure."""
SHARES = ("acc", "acc_norm", "exact_match")
"""Measures of which nothing is better than 1."""


def open_lm_eval(path: Path, file_digest: str) -> list[Log]:
    """Open a file of samples: a log for each filter in it.

    Args:
        path: `samples_*.jsonl`; `results_*.json` of the same date is read too, if it is there.
        file_digest: of the file.

    Raises:
        ConfigError: no line of it is a sample.
    """
    first = _firsts(path)
    if not first:
        raise damaged(path, "samples of lm-eval", "no line is a sample", "Run lm_eval with --log_samples")
    named = NAME.fullmatch(path.name)
    task = named["task"] if named else path.stem
    results, note = _results(path, named["date"] if named else None)
    return [_log(path, digest(file_digest, name), task, name, sample, results, note) for name, sample in first.items()]


def _log(
    path: Path, name: str, task: str, kind: str, first: Mapping[str, Any], results: Mapping[str, Any], note: str
) -> Log:
    main, lower = _main(first, mapping(mapping(results.get("higher_is_better")).get(task)))
    log = Log(
        "lm-eval",
        text(results.get("lm_eval_version")),
        path,
        name,
        task=task if kind in ("", "none") else f"{task}, {kind}",
        model=text(results.get("model_name")) or text(results.get("model_source")) or path.parent.name or "unknown",
        main=main,
        lower=lower,
        top=1.0 if main in SHARES else None,
        asked=whole(mapping(mapping(results.get("n-samples")).get(task)).get("effective")),
        samples=lambda: _samples(log, kind),
        created=finite(results.get("date")) or 0.0,
        claims=_claims(results, task, kind),
        notes=[note] if note else [],
    )
    if lower:
        log.notes.append(f"Less {main} is better, so scores are its negatives")
    return log


# ── the results beside ──────────────────────────────────────────────────────────────────────────────────────────────


def _results(path: Path, date: str | None) -> tuple[Mapping[str, Any], str]:
    """The results of the same run, and what is wrong with them."""
    place = path.parent / (f"results_{date}.json" if date else "results.json")
    if not place.is_file():
        return {}, f"{place.name} is not beside it, so the model is named by the folder and no mean can be compared"
    try:
        return mapping(loads(place.read_bytes())), ""
    except (ValueError, OSError) as error:
        return {}, f"{place.name} cannot be read ({error}), so no mean can be compared"


def _claims(results: Mapping[str, Any], task: str, kind: str) -> list[Claimed]:
    config = mapping(mapping(results.get("configs")).get(task))
    how = {
        text(each.get("metric")): each.get("aggregation") for each in map(mapping, listed(config.get("metric_list")))
    }
    found = []
    for name, value in mapping(mapping(results.get("results")).get(task)).items():
        metric, _, made_of = name.partition(",")
        if made_of == kind and not metric.endswith("_stderr"):
            aggregation = how.get(metric, "mean")
            why = "" if aggregation == "mean" else f"it is no mean, but {text(aggregation, 'a function of its own')}"
            found.append(Claimed(metric, finite(value), why))
    return found


# ── samples ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(path: Path, log: Log | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The samples by line. A line that is none, such as a last one cut off, is skipped and told to the log."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise damaged(path, "a file that can be read", error.strerror or str(error), "Name another one") from None
    with file:
        number = 0
        while line := file.readline(LINE + 1):
            number += 1
            sample, why = _sample(line)
            while len(line) > LINE and not line.endswith(b"\n"):
                line = file.readline(LINE + 1)
            if sample is not None:
                yield number, sample
            elif log is not None and why:
                log.skip(f"line {number}", why)


def _sample(line: bytes) -> tuple[Mapping[str, Any] | None, str]:
    if not line.strip():
        return None, ""
    if len(line) > LINE:
        return None, f"it has over {LINE:,} bytes"
    try:
        found = loads(line)
    except ValueError as error:
        cut = "" if line.endswith(b"\n") else ", and it is cut off: the process that wrote it died"
        return None, f"it is no JSON{cut} ({error})"
    if not isinstance(found, dict) or not isinstance(found.get("doc_id"), (int, str)):
        return None, "it has no doc_id"
    return found, ""


def _firsts(path: Path) -> dict[str, Mapping[str, Any]]:
    """The first sample of each filter."""
    found: dict[str, Mapping[str, Any]] = {}
    for _, sample in _lines(path):
        found.setdefault(text(sample.get("filter")), sample)
    return found


def _samples(log: Log, kind: str) -> Iterator[Sample]:
    for _, sample in _lines(log.path, log):
        if text(sample.get("filter")) == kind:
            yield Sample(
                task=str(sample["doc_id"]),
                epoch=0,
                prompt=_prompt(sample),
                answer=_answer(sample),
                score=score_of({name: finite(sample.get(name)) for name in _metrics(sample)}, log.main, log.lower),
            )


def _metrics(sample: Mapping[str, Any]) -> list[str]:
    """The measures of a sample; older versions do not list them."""
    return [each for each in listed(sample.get("metrics")) if isinstance(each, str)] or [
        name for name, value in sample.items() if name not in OURS and isinstance(value, (bool, int, float))
    ]


def _main(sample: Mapping[str, Any], higher: Mapping[str, Any]) -> tuple[str, bool]:
    """The first measure of which more is better and that is a number for each sample; and whether less is better."""
    names = _metrics(sample)
    numbers = [name for name in names if finite(sample.get(name)) is not None] or names
    better = [name for name in numbers if higher.get(name, True)]
    return (better or numbers or ["score"])[0], not better and bool(numbers)


def _requests(sample: Mapping[str, Any]) -> list[list[Any]]:
    """What the model was asked, one list of arguments for each request; newer versions write objects."""
    given = sample.get("arguments")
    each = list(given.values()) if isinstance(given, dict) else listed(given)
    return [list(one.values()) if isinstance(one, dict) else listed(one) for one in each]


def _prompt(sample: Mapping[str, Any]) -> Json:
    asked = next(iter(_requests(sample)), [])
    return text(asked[0]) if asked else ""


def _answer(sample: Mapping[str, Any]) -> Json:
    """The text that was scored; of several choices, the likeliest; else what stands there, if it is plain."""
    said = listed(sample.get("filtered_resps"))
    if len(said) == 1 and isinstance(said[0], str):
        return said[0]
    likely = [_likelihood(each) for each in said]
    known = [(value, place) for place, value in enumerate(likely) if value is not None]
    asked = _requests(sample)
    if known and len(known) == len(said) == len(asked) > 1:
        place = max(known, key=lambda pair: (pair[0], -pair[1]))[1]
        return {"choice": place, "text": text((asked[place] + ["", ""])[1]), "loglikelihoods": likely}
    return said if not_plain(said) is None else repr(said)


def _likelihood(response: object) -> float | None:
    """A log-likelihood comes with whether it was the greedy choice, both as text in newer versions."""
    first = next(iter(listed(response)), None)
    try:
        return finite(float(first) if isinstance(first, str) else first)
    except ValueError:
        return None
