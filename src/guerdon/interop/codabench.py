"""Codabench bundles, version 2: `competition.yaml`, scoring programs, reference data; submissions of results.

Taken over: phases with their tasks, leaderboard columns and directions, limits, dates, time limits. A submission is a
zip of results; each task's scoring program finds it in `input/res`, the reference data in `input/ref`, and writes
`output/scores.json` or `scores.txt`. Submissions of code (ingestion programs), images of one's own and scoring
programs that are not Python are refused by name.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from guerdon.core.challenge import Visibility
from guerdon.core.errors import ConfigError
from guerdon.hosting.files import read_zip
from guerdon.interop.contest_folder import (
    Contest,
    Measure,
    Part,
    Split,
    limits_of,
    refused,
    slug_of,
    time_of,
    times_noted,
)
from guerdon.interop.foreign_code import Code, read_code, yaml_of

CONFIGS = ("competition.yaml", "competition.yml")
STOCK_IMAGE = "codalab/codalab-legacy"
METADATA = ("metadata.yaml", "metadata.yml", "metadata")
PLACES = {"program": "program", "input": "input", "output": "output", "predictions": "input/res"}
LIMITS = {"max_submissions_per_day": "per_day", "max_submissions": "total"}
Files = dict[str, bytes]


def read_codabench(files: Mapping[str, bytes], *, results_only: bool = False) -> tuple[Contest, Files, Files, Files]:
    """Read a bundle.

    Args:
        files: of its zip, with `competition.yaml` at the top.
        results_only: take it without its ingestion programs, for submissions of results.

    Returns:
        The contest; files of its scoring programs; keys; files for entrants.

    Raises:
        ConfigError: it is not one, or needs what is not there; every reason is named.
    """
    config = yaml_of(files[next(name for name in CONFIGS if name in files)], CONFIGS[0])
    if str(config.get("version")) != "2":
        got = f"version: {config.get('version')!r}"
        raise ConfigError("a Codabench bundle of version 2", got, "Convert it on Codabench first")
    title = str(config.get("title") or "A Codabench competition")
    tasks = {task.get("index"): task for task in _rows(config, "tasks")}
    problems = _beyond(config, tasks.values(), results_only)
    if problems:
        raise refused("a Codabench bundle", problems)
    program: Files = {}
    keys: Files = {}
    parts = {index: _part(index, task, files, program, keys, problems) for index, task in tasks.items()}
    code = read_code(program)
    problems += code.problems
    measures = _measures(config, problems)
    splits = [] if problems else [_split(phase, parts, measures, problems) for phase in _rows(config, "phases")]
    if problems:
        raise refused("a Codabench bundle", problems)
    waits = [int(each["execution_time_limit"]) for each in _rows(config, "phases") if each.get("execution_time_limit")]
    contest = Contest(
        source="codabench", slug=slug_of(title), title=title, splits=tuple(split for split in splits if split),
        imports=code.imports, wall_s=float(min(max(waits, default=120), 3600)), notes=_notes(config, code),
    )  # fmt: skip
    return contest, program, keys, _public(config, files)


def _beyond(config: Mapping[str, Any], tasks: Any, results_only: bool) -> list[str]:
    problems = ["queue: it is judged by workers of its own"] if config.get("queue") else []
    image = str(config.get("docker_image") or STOCK_IMAGE)
    if not image.startswith(STOCK_IMAGE):
        problems.append(f"docker_image: {image!r} is a Docker image of its own"[:150])
    for task in tasks:
        if task.get("ingestion_program") and not results_only:
            what = "ingestion_program runs submissions of code (--results-only leaves it out)"
            problems.append(f"task {task.get('index')}: {what}")
        if not task.get("scoring_program"):
            problems.append(f"task {task.get('index')}: there is no scoring_program")
        if isinstance(task.get("key"), str):
            problems.append(f"task {task.get('index')}: it is a task of the server, not of the bundle")
    return problems


def _part(
    index: Any, task: Mapping[str, Any], files: Mapping[str, bytes], program: Files, keys: Files, problems: list[str]
) -> Part:
    name = slug_of(f"task-{index}")
    scoring = _folder(files, str(task["scoring_program"]))
    if not scoring:
        problems.append(f"task {index}: its scoring_program {task['scoring_program']!r} is not in the bundle"[:150])
    reference = _folder(files, str(task.get("reference_data") or ""))
    if task.get("reference_data") and not reference:
        problems.append(f"task {index}: its reference_data {task['reference_data']!r} is not in the bundle"[:150])
    program.update({f"{name}/{each}": data for each, data in scoring.items()})
    keys.update({f"{name}/{each}": data for each, data in reference.items()})
    return Part(keys=name, program=name, command=_command(scoring, f"task {index}", problems))


def _folder(files: Mapping[str, bytes], where: str) -> Files:
    """The files of a folder or zip in the bundle."""
    where = where.strip("/").removeprefix("./")
    if where.endswith(".zip") and where in files:
        archive = read_zip(files[where], where=where)
        found = {name: archive.read(name) for name in archive}
    else:
        found = {name[len(where) + 1 :]: data for name, data in files.items() if where and name.startswith(f"{where}/")}
    return {name: data for name, data in found.items() if "__MACOSX" not in name}


def _command(scoring: Mapping[str, bytes], where: str, problems: list[str]) -> tuple[str, ...]:
    """The Python file that `metadata` starts, and its arguments with `$ROOT` for the scratch folder."""
    metadata = next((name for name in METADATA if name in scoring), None)
    if metadata is None:
        problems.append(f"{where}: its scoring program has no metadata.yaml with a command")
        return ()
    text = str(yaml_of(scoring[metadata], f"{where}, {metadata}").get("command") or "")
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    python = words[:1] and words[0].rpartition("/")[2].startswith("python")
    if not python or len(words) < 2 or not words[1].endswith(".py") or any(sign in text for sign in "|;&<>`("):
        problems.append(f"{where}: its scoring program is started by {text!r}, not by python FILE.py"[:200])
        return ()
    placed = [_placed(word) for word in words[1:]]
    script = placed[0].removeprefix("$ROOT/program/").removeprefix("./")
    if script not in scoring:
        problems.append(f"{where}: {script!r} is not in its scoring program"[:200])
    return (script, *placed[1:])


def _placed(word: str) -> str:
    for name, place in PLACES.items():
        for known in (f"${{{name}}}", f"${name}", f"/app/{name}"):
            if word == known or word.startswith(f"{known}/"):
                return f"$ROOT/{place}{word[len(known) :]}"
    return word


def _measures(config: Mapping[str, Any], problems: list[str]) -> tuple[Measure, ...]:
    """The columns of the first leaderboard that come from scores, the primary one first."""
    boards = _rows(config, "leaderboards") if config.get("leaderboards") else _rows(config, "leaderboard")
    board = boards[0]
    columns = sorted((each for each in board.get("columns") or [] if isinstance(each, dict)), key=_index)
    own = [each for each in columns if not each.get("computation") and each.get("key")]
    primary = board.get("primary_index", own[0].get("index") if own else None)
    own.sort(key=lambda each: each.get("index") != primary)
    if not own or own[0].get("index") != primary:
        problems.append("leaderboard: the column that ranks is computed from others, or is not there")
    return tuple(
        Measure(key=str(each["key"]), higher=each.get("sorting", "desc") != "asc", title=str(each.get("title") or ""))
        for each in own
    )


def _index(column: Mapping[str, Any]) -> int:
    index = column.get("index")
    return index if type(index) is int else 0


def _split(
    phase: Mapping[str, Any], parts: Mapping[Any, Part], measures: tuple[Measure, ...], problems: list[str]
) -> Split | None:
    name = str(phase.get("name") or f"phase {phase.get('index')}")
    wanted = phase.get("tasks") or []
    if not wanted or any(index not in parts for index in wanted):
        problems.append(f"phase {name!r}: its tasks {wanted} are not in the bundle"[:150])
        return None
    return Split(
        name=slug_of(name, 60),
        title=name,
        visibility=Visibility.SEALED if phase.get("hide_score_output") else Visibility.OPEN,
        measures=measures,
        parts=tuple(parts[index] for index in wanted),
        file_types=(".zip",),
        limits=limits_of(phase, LIMITS),
        opens=time_of(phase.get("start")),
        closes=time_of(phase.get("end")),
    )


def _notes(config: Mapping[str, Any], code: Code) -> tuple[str, ...]:
    notes = [f"A submission may become code: {each}" for each in code.warnings]
    if config.get("docker_image"):
        notes.append(f"Not used: docker_image {str(config['docker_image'])[:80]!r}; the packages of this machine are")
    for phase in _rows(config, "phases"):
        notes += times_noted(repr(phase.get("name")), phase, ("start", "end"))
    if any(phase.get("auto_migrate_to_this_phase") for phase in _rows(config, "phases")):
        notes.append("Not taken over: auto_migrate_to_this_phase; entrants hand in to each phase")
    if any(task.get("ingestion_program") for task in _rows(config, "tasks")):
        notes.append("Left out: ingestion programs; only results can be handed in")
    for name in ("fact_sheet", "solutions", "enable_detailed_results"):
        if config.get(name):
            notes.append(f"Not taken over: {name}")
    return tuple(notes)


def _public(config: Mapping[str, Any], files: Mapping[str, bytes]) -> Files:
    pages = [each for each in config.get("pages") or [] if isinstance(each, dict)]
    names = [str(config.get("terms") or ""), *(str(page.get("file") or "") for page in pages)]
    return {f"{slug_of(name)}.txt": files[name] for name in names if name in files}


def _rows(config: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = config.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise ConfigError(f"competition.yaml lists {name}", "it does not", "Add it")
    return found
