"""guerdon reward: learn a reward from preferences, look for its holes, score with it, serve it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json as plain_json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption, make_app
from guerdon.core.errors import ConfigError

ModelArgument = Annotated[
    str, typer.Argument(help="A reward's folder, a hub id of a classifier, module:NAME, or FILE.py[:NAME].")
]


def app(name: str, _: list[str]) -> typer.Typer:
    """The command group."""
    result = make_app()
    result.command("fit")(fit)
    if importlib.util.find_spec("guerdon.cli.reward_audit"):
        result.command("audit")(importlib.import_module("guerdon.cli.reward_audit").audit)
    result.command("score")(score)
    result.command("serve")(serve)
    result.callback(help="Learn a reward from preferences, audit it, score with it, serve it.")(lambda: None)
    return result


def fit(
    data: Annotated[Path, typer.Argument(help="Preferences: .jsonl, .jsonl.gz, .json or .parquet.")],
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder of the reward.")],
    backbone: Annotated[
        str, typer.Option(help="tiny, tiny-gru, encoder:REF, or REF: a transformers folder or hub id.")
    ] = "tiny",
    members: Annotated[int, typer.Option(help="Reward models; 5 small ones or 1 by default.")] = 0,
    combine: Annotated[str, typer.Option(help="mean, wco or uwo.")] = "uwo",
    penalty: Annotated[float, typer.Option(help="Of uwo: mean - penalty * variance.")] = 0.5,
    objective: Annotated[
        str, typer.Option(help="bt, margin, smoothed, flip, soft, centred, contrast or contrast-diff.")
    ] = "bt",
    epochs: Annotated[int, typer.Option(help="Times through the data; 3 or 1 by default.")] = 0,
    lr: Annotated[float, typer.Option(help="Learning rate; 1e-3 or 1e-5 by default.")] = 0.0,
    batch: Annotated[int, typer.Option(help="Pairs of a step; 32 or 8 by default.")] = 0,
    holdout: Annotated[float, typer.Option(help="Share of prompts that are only measured on.")] = 0.1,
    longest: Annotated[int, typer.Option(help="Most tokens of a row.")] = 0,
    smoothing: Annotated[float, typer.Option(help="Of the objectives smoothed and soft.")] = 0.1,
    share: Annotated[float, typer.Option(help="Of pairs whose label the objective flip changes.")] = 0.1,
    format: Annotated[str, typer.Option(help="Shape of the data; told from the first row.")] = "auto",  # noqa: A002
    by: Annotated[str, typer.Option(help="The score by which responses are paired, where data has scores.")] = "",
    seed: Annotated[int, typer.Option(help="Of members, order and hold-out.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh/--resume", help="Begin anew, or go on (the default).")] = False,
    lenient: Annotated[bool, typer.Option("--lenient", help="Drop malformed rows rather than refuse.")] = False,
    json: JsonOption = False,
) -> None:
    """Learn a reward from preferences and keep it in a folder.

    Kill it at any moment and give the same command again: it goes on from its last epoch.
    """
    from guerdon.prefer.files import read

    found = read(data, format, score=by, strict=not lenient)
    needs("torch", "train")
    from guerdon.rlhf.fitting import RewardFit, fit_reward

    settings = RewardFit(
        backbone=backbone, members=members, combine=combine, penalty=penalty, objective=objective, epochs=epochs,  # type: ignore[arg-type]
        lr=lr, batch=batch, holdout=holdout, longest=longest, smoothing=smoothing, share=share, seed=seed,
    )  # fmt: skip
    start = time.monotonic()
    with progress("learning", "steps", quiet=json) as told:
        made = fit_reward(found.rows, settings, to, fresh=fresh, told=told)
    _tell_fit(made, found, str(to), time.monotonic() - start, json)


def _tell_fit(made: Any, found: Any, to: str, seconds: float, json: bool) -> None:
    dropped = dict(found.reasons())
    if json:
        table = [dict(row) for row in made.table]
        told = {"folder": to, "pairs": made.rows, "held_out": made.held_out, "dropped": dropped, "accuracy": table}
        out.say_json({**told, "digest": made.reward.fingerprint(), "wall_seconds": round(seconds, 3)})
        return
    rows = []
    for each in made.table:
        interval = "–" if each["low"] is None else f"{each['low']:.3f} to {each['high']:.3f}"
        rows.append([each["who"], each["accuracy"], interval, each["pairs"], each["training"]])
    columns = ["", "held-out accuracy", "95 % interval", "pairs", "training accuracy"]
    show = out.console()
    show.print(out.table("", columns, rows))
    for reason, count in dropped.items():
        show.print(f"left out {count:,}: {out.clean(reason)}", markup=False)
    held = f" --data {Path(to) / 'held-out.jsonl'}" if made.held_out else " --data OTHER_PAIRS"
    line = f"\n{made.rows:,} pairs in {seconds:.0f} s. Next: guerdon reward audit {to}{held}"
    show.print(out.clean(line), markup=False, soft_wrap=True)


def score(
    model: ModelArgument,
    data: Annotated[Path, typer.Argument(help="Rows with prompt and response (or completion), messages, or pairs.")],
    to: Annotated[
        Path | None, typer.Option("--out", "-o", help="File of the scored rows; else they are printed.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Score the rows of a file: each comes back with `score`, members' scores and their variance.

    A score that is not known is null, with the reason in `fault`.
    """
    from guerdon.prefer.files import rows_of

    rows = list(rows_of(data))
    judge = opened(model)
    from guerdon.rlhf.scoring import scored

    counts = {"rows": 0, "scores": 0, "unknown": 0}
    with progress("scoring", "rows", quiet=json) as told, _writer(to) as write:
        for row in scored(judge, rows, source=data.name):
            write(plain_json.dumps(row, allow_nan=False) + "\n")
            values = [value for name, value in row.items() if name == "score" or name.startswith("score_")]
            counts["rows"] += 1
            counts["scores"] += sum(value is not None for value in values)
            counts["unknown"] += sum(value is None for value in values)
            if told:
                told(counts["rows"], len(rows))
    if json and to is not None:
        out.say_json({**counts, "file": str(to)})
    elif to is not None:
        text = f"{counts['scores']:,} scores of {counts['rows']:,} rows in {to}; {counts['unknown']:,} unknown"
        out.console().print(out.clean(text), markup=False, soft_wrap=True)


@contextlib.contextmanager
def _writer(to: Path | None) -> Iterator[Callable[[str], object]]:
    """Write to standard output, or to a file that appears when it is whole."""
    if to is None:
        yield sys.stdout.write
        return
    draft = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as stream:
            yield stream.write
        draft.replace(to)
    except OSError as error:
        raise ConfigError("a file that can be written", f"{to.name}: {error.strerror}", "Name another") from None
    finally:
        draft.unlink(missing_ok=True)


def serve(
    model: ModelArgument,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on; only this machine by default.")] = "127.0.0.1",
    token: Annotated[
        str, typer.Option(envvar="GUERDON_TOKEN", help="Ask every request for this token.", show_default=False)
    ] = "",
    most: Annotated[int, typer.Option(help="Responses of one request at most.")] = 4096,
    unknown: Annotated[
        float | None, typer.Option(help="What /get_reward says of a response that cannot be scored; null by default.")
    ] = None,
) -> None:
    """Serve a reward over HTTP: POST /score, POST /get_reward (as OpenRLHF asks), GET /health."""
    needs("uvicorn", "web")
    needs("starlette", "web")
    judge = opened(model)
    from guerdon.rlhf.serving import application, run

    out.console(stderr=True).print(f"serving {out.clean(judge.name)}; Ctrl-C ends it", markup=False)
    run(application(judge, token=token, most=most, unknown=unknown), host, port, say=_say_address)


def _say_address(host: str, port: int) -> None:
    where = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"http://{where}:{port}/get_reward  http://{where}:{port}/score\n")
    sys.stderr.flush()


def opened(model: str) -> Any:
    """The reward that an argument names."""
    if ":" not in model and not model.endswith(".py"):
        needs("torch", "train")
    from guerdon.rlhf.kept import load

    return load(model)


def needs(package: str, extra: str) -> None:
    """Refuse to go on without an optional package.

    Raises:
        ConfigError: it is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise ConfigError(package, "it is not installed", f'Run pip install "guerdon[{extra}]"')


@contextlib.contextmanager
def progress(title: str, unit: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal, a line every ten seconds elsewhere, nothing when quiet."""
    if quiet:
        yield None
    elif not sys.stderr.isatty():
        yield _Lines(title, unit)
    else:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        with Progress(*columns, TimeRemainingColumn(), console=out.console(stderr=True)) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """Progress where nobody watches: a line every ten seconds."""

    def __init__(self, title: str, unit: str) -> None:
        self._title, self._unit, self._next = title, unit, time.monotonic() + 10.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 10.0
            sys.stderr.write(f"{self._title}: {done:,} of {total:,} {self._unit}\n")
