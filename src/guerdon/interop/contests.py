"""Contests from elsewhere, by what is in their file: an EvalAI zip, a Codabench bundle, Kaggle's tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from guerdon.core.errors import ConfigError
from guerdon.hosting.files import ArchiveCaps, FileProblemError, read_zip
from guerdon.interop import codabench, evalai, kaggle
from guerdon.interop.contest_folder import Contest, files_below, write_contest

CAPS = ArchiveCaps(packed=512 << 20, total=1 << 30)


def import_contest(
    source: Path,
    out: Path,
    *,
    metric: str = "",
    title: str = "",
    higher: bool | None = None,
    results_only: bool = False,
) -> Contest:
    """Write a contest's folder.

    Args:
        source: a zip, or an unpacked folder.
        out: the folder to write; new or empty.
        metric: for Kaggle's tables, the name of a metric of scikit-learn.
        title: instead of its own.
        higher: for Kaggle's `metric.py`, whether more is better.
        results_only: take a Codabench bundle without its ingestion programs.

    Returns:
        What was imported, with notes on what was left out.

    Raises:
        ConfigError: it is none of the three, or beyond what can be imported; every reason is named.
    """
    files = _rooted(_files(source))
    try:
        if any(name in files for name in evalai.CONFIGS):
            contest, program, keys, public = evalai.read_evalai(files)
        elif any(name in files for name in codabench.CONFIGS):
            contest, program, keys, public = codabench.read_codabench(files, results_only=results_only)
        elif any(name.rpartition("/")[2].startswith("solution") and name.endswith(".csv") for name in files):
            name = title or source.stem.replace("-", " ").replace("_", " ")
            contest, program, keys, public = kaggle.read_kaggle(files, metric, title=name, higher=higher)
        else:
            known = "challenge_config.yaml (EvalAI), competition.yaml (Codabench) or solution.csv (Kaggle)"
            raise ConfigError(f"a contest with {known}", f"{source} has none", "Pack the folder that has it")
    except FileProblemError as error:
        raise ConfigError(error.expected, error.got, error.do) from None
    write_contest(contest, out, program=program, keys=keys, public=public)
    return contest


def _files(source: Path) -> dict[str, bytes]:
    if source.is_dir():
        return files_below(source)
    if not source.is_file():
        raise ConfigError("a zip or folder", f"{source} is not there", "Check the path")
    try:
        archive = read_zip(source, CAPS, source.name)
        return {name: archive.read(name) for name in archive}
    except FileProblemError as error:
        raise ConfigError(error.expected, error.got, error.do) from None


def _rooted(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files as seen from the folder that holds the configuration."""
    names = (*evalai.CONFIGS, *codabench.CONFIGS)
    found = [name for name in files if name.rpartition("/")[2] in names and "__MACOSX" not in name]
    if not found:
        return dict(files)
    root = min(found, key=lambda name: name.count("/")).rpartition("/")[0]
    start = f"{root}/" if root else ""
    return {name[len(start) :]: data for name, data in files.items() if name.startswith(start)}
