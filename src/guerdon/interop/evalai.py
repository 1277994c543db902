"""EvalAI challenges: `challenge_config.yaml`, an evaluation script with `evaluate(...)`, annotation files.

Taken over: phases × dataset splits, their leaderboards (labels, the one that ranks, its direction), visibility, limits
of submissions, dates, file types. Each pair of a phase and a dataset split becomes a split of its own, so that a
hidden split's numbers are never told with a public one's. Judged by other means (by hand, on other machines, from
Docker images) is refused by name.
"""

from __future__ import annotations

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
from guerdon.interop.foreign_code import Code, entry_of, read_code, yaml_of

CONFIGS = ("challenge_config.yaml", "challenge_config.yml")
OTHER_MEANS = {
    "remote_evaluation": "remote_evaluation: submissions are judged on the host's own machines",
    "is_docker_based": "is_docker_based: submissions are Docker images",
    "is_static_dataset_code_upload": "is_static_dataset_code_upload: submissions are code that runs on a cluster",
}
VISIBILITY = {1: Visibility.SEALED, 2: Visibility.OPEN, 3: Visibility.OPEN}
"""1 is shown to hosts; 2 to the host and the submitter; 3 to all."""
LIMITS = {
    "max_submissions_per_day": "per_day",
    "max_submissions_per_month": "per_month",
    "max_submissions": "total",
    "max_concurrent_submissions_allowed": "concurrent",
}
Files = dict[str, bytes]


def read_evalai(files: Mapping[str, bytes]) -> tuple[Contest, Files, Files, Files]:
    """Read a challenge.

    Args:
        files: of its zip, with `challenge_config.yaml` at the top.

    Returns:
        The contest; files of its evaluator; keys; files for entrants.

    Raises:
        ConfigError: it is not one, or needs what is not there; every reason is named.
    """
    config = yaml_of(files[next(name for name in CONFIGS if name in files)], CONFIGS[0])
    title = str(config.get("title") or "An EvalAI challenge")
    problems = [why for name, why in OTHER_MEANS.items() if config.get(name)]
    phases = [_mapping(each, "challenge_phases") for each in _list(config, "challenge_phases")]
    problems += [
        f"phase {phase.get('codename')}: is_partial_submission_evaluation_enabled"
        for phase in phases
        if phase.get("is_partial_submission_evaluation_enabled")
    ]
    if problems:
        raise refused("an EvalAI challenge", problems)
    program = _program(files, str(config.get("evaluation_script") or "evaluation_script"))
    entry = "__init__.py" if _defines(program) else entry_of(program, "evaluate")
    code = read_code(program)
    problems = list(code.problems)
    if not entry:
        problems.append("its evaluation script defines no evaluate(test_annotation_file, user_submission_file, ...)")
    keys: Files = {}
    splits = _splits(config, phases, files, entry, keys, problems)
    if problems:
        raise refused("an EvalAI challenge", problems)
    contest = Contest(
        source="evalai", slug=slug_of(title), title=title, splits=tuple(splits), imports=code.imports,
        notes=_notes(config, code),
    )  # fmt: skip
    return contest, program, keys, _public(config, files)


def _defines(program: Mapping[str, bytes]) -> bool:
    """Whether the package itself offers `evaluate`."""
    text = program.get("__init__.py", b"").decode("utf-8", "replace")
    return "evaluate" in text


def _program(files: Mapping[str, bytes], where: str) -> Files:
    where = where.strip("/").removeprefix("./")
    if where in files and where.endswith(".zip"):
        archive = read_zip(files[where], where=where)
        found = {name: archive.read(name) for name in archive}
    elif where in files:
        return {where.rpartition("/")[2]: files[where]}
    else:
        found = {name[len(where) + 1 :]: data for name, data in files.items() if name.startswith(f"{where}/")}
    if not found:
        raise ConfigError("evaluation_script names a zip, a folder or a file", f"there is no {where}", "Pack it again")
    top = {name.partition("/")[0] for name in found}
    if len(top) == 1 and all("/" in name for name in found):
        found = {name.partition("/")[2]: data for name, data in found.items()}
    return {name: data for name, data in found.items() if "__MACOSX" not in name and not name.endswith(".pyc")}


def _splits(
    config: Mapping[str, Any], phases: Sequence[Mapping[str, Any]], files: Mapping[str, bytes], entry: str,
    keys: Files, problems: list[str],
) -> list[Split]:  # fmt: skip
    by_phase = {phase.get("id"): phase for phase in phases}
    datasets = {each.get("id"): each for each in map(_as_mapping, _list(config, "dataset_splits"))}
    boards = {each.get("id"): each for each in map(_as_mapping, _list(config, "leaderboard"))}
    splits: list[Split] = []
    for each in map(_as_mapping, _list(config, "challenge_phase_splits")):
        phase = by_phase.get(each.get("challenge_phase_id"))
        dataset, board = datasets.get(each.get("dataset_split_id")), boards.get(each.get("leaderboard_id"))
        if phase is None or dataset is None or board is None:
            problems.append(f"challenge_phase_splits: {each} names what is not there"[:150])
            continue
        codename = str(phase.get("codename") or phase.get("name"))
        name = slug_of(f"{codename}-{dataset.get('codename') or dataset.get('name')}", 60)
        annotations = str(phase.get("test_annotation_file") or "")
        if annotations not in files:
            problems.append(f"phase {codename}: its test_annotation_file {annotations!r} is not in the zip")
            continue
        folder = slug_of(codename, 60)
        keys[f"{folder}/{annotations.rpartition('/')[2]}"] = files[annotations]
        measures = _measures(_as_mapping(board.get("schema")), each)
        if not measures:
            problems.append(f"leaderboard {board.get('id')}: its schema has no labels")
            continue
        part = Part(
            keys=folder, command=(entry,), argument=codename, pick=str(dataset.get("codename") or dataset.get("name"))
        )
        splits.append(_split(name, phase, dataset, each, measures, part))
    if len({split.name for split in splits}) < len(splits):
        problems.append("challenge_phase_splits: a phase has the same dataset split twice")
    return splits


def _split(
    name: str, phase: Mapping[str, Any], dataset: Mapping[str, Any], each: Mapping[str, Any],
    measures: tuple[Measure, ...], part: Part,
) -> Split:  # fmt: skip
    types = str(phase.get("allowed_submission_file_types") or "")
    told = each.get("visibility", 3)
    return Split(
        name=name,
        title=f"{phase.get('name')}, {dataset.get('name')}",
        visibility=VISIBILITY.get(told, Visibility.SEALED) if type(told) is int else Visibility.SEALED,
        measures=measures,
        parts=(part,),
        file_types=tuple(word.strip().lower() for word in types.split(",") if word.strip().startswith(".")),
        limits=limits_of(phase, LIMITS),
        opens=time_of(phase.get("start_date")),
        closes=time_of(phase.get("end_date")),
    )


def _measures(schema: Mapping[str, Any], each: Mapping[str, Any]) -> tuple[Measure, ...]:
    """The measures of a leaderboard, the one that ranks first."""
    labels = [str(label) for label in schema.get("labels") or []]
    told = _as_mapping(schema.get("metadata"))
    main = str(schema.get("default_order_by") or (labels[0] if labels else ""))
    descending = each.get("is_leaderboard_order_descending")
    found = []
    for label in sorted(labels, key=lambda label: label != main):
        ascending = _as_mapping(told.get(label)).get("sort_ascending")
        higher = not ascending if ascending is not None else descending is not False
        found.append(Measure(key=label, higher=higher, title=label))
    return tuple(found)


def _notes(config: Mapping[str, Any], code: Code) -> tuple[str, ...]:
    notes = [f"A submission may become code: {each}" for each in code.warnings]
    for name, what in (("allowed_email_domains", "who may enter"), ("blocked_email_domains", "who may not enter")):
        if config.get(name):
            notes.append(f"Not taken over: {name} ({what}); invite entrants yourself")
    for phase in map(_as_mapping, _list(config, "challenge_phases")):
        if phase.get("leaderboard_public") is False or phase.get("is_public") is False:
            notes.append(
                f"Phase {phase.get('codename')} was not public; close it with visibility=sealed if it shall be"
            )
        notes += times_noted(str(phase.get("codename")), phase, ("start_date", "end_date"))
    return tuple(notes)


def _public(config: Mapping[str, Any], files: Mapping[str, bytes]) -> Files:
    """Pages, as text for people; they are HTML of strangers and never shown as HTML."""
    found: Files = {}
    for field in ("description", "evaluation_details", "terms_and_conditions", "submission_guidelines"):
        name = str(config.get(field) or "")
        if name in files:
            found[f"{field}.txt"] = files[name]
    return found


def _list(config: Mapping[str, Any], name: str) -> list[Any]:
    found = config.get(name)
    if not isinstance(found, list) or not found:
        raise ConfigError(f"challenge_config.yaml lists {name}", "it does not", "Add it")
    return found


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"names and values in {where}", f"got a {type(value).__name__}", "Mend it")
    return value


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
