"""guerdon reward audit: what can be wrong with a reward, measured, on one page."""

from __future__ import annotations

import json as json_
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption
from guerdon.core.errors import ConfigError

if TYPE_CHECKING:
    from guerdon.core.preference import Preference
    from guerdon.core.reward import Reward
    from guerdon.prefer.sets import PreferenceSet
    from guerdon.rlhf.audit import Audit, Extras
    from guerdon.rlhf.contrast import Encoder
    from guerdon.rlhf.overoptimisation import Samples

COLOURS = {"ok": "bold green", "warn": "bold yellow", "bad": "bold red", "not measured": "dim"}
DRAWN = 64
"""Answers drawn to each prompt of a policy."""
POLICY_PROMPTS = 48


def audit(
    reward: Annotated[str, typer.Argument(help="A reward's folder, a hub id, module:NAME, or FILE.py[:NAME].")],
    data: Annotated[Path, typer.Option("--data", "-d", help="Labelled pairs, in any format that preferences have.")],
    page: Annotated[Path | None, typer.Option("--out", "-o", help="Write the HTML page there.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run this probe only; may be repeated.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave this probe out; may be repeated.")] = None,
    samples: Annotated[Path | None, typer.Option(help="Several scored answers to each prompt, for best-of-n.")] = None,
    history: Annotated[Path | None, typer.Option(help="Rows of a training run with kl, proxy and gold.")] = None,
    gold: Annotated[str | None, typer.Option(help="A reward that judges answers without gold scores.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="What answers prompts: module:NAME or FILE.py:NAME of a function, or a model.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Texts to vectors: module:NAME or FILE.py:NAME, or an encoder of transformers.")
    ] = None,
    trained_on: Annotated[Path | None, typer.Option(help="The pairs that the reward learned from.")] = None,
    doubtful: Annotated[Path | None, typer.Option(help="Write the most doubtful pairs there (.jsonl).")] = None,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
    limit: Annotated[int, typer.Option(help="Most pairs; drawn at random beyond.")] = 2000,
    format: Annotated[str, typer.Option(help="Format of the data.")] = "auto",  # noqa: A002
    fail_on: Annotated[
        Literal["never", "bad", "warn"], typer.Option(help="Exit with 1 on such a finding, for continuous checks.")
    ] = "never",
    json: JsonOption = False,
) -> None:
    """Audit a reward: agreement, calibration, biases, exploits, over-optimisation, and what to do about them.

    Probes that need more than pairs (--samples, --history, --policy) say so. Unknown scores are never zero.
    """
    from guerdon.prefer import files
    from guerdon.rlhf.audit import audit as run
    from guerdon.rlhf.audit.page import write

    rows = files.read(data, format).rows
    found = run(
        subject_named(reward),
        rows,
        _extras(rows, samples, history, gold, policy, encoder, trained_on, seed),
        only=only or (),
        skip=skip or (),
        seed=seed,
        limit=limit,
        source=data.name,
        listen=_listener(quiet=json),
    )
    document = found.document()
    if page is not None:
        write(document, page)
    if doubtful is not None:
        _write_doubtful(found, doubtful)
    if json:
        out.say_json(document)
    else:
        tell(found)
        _next(page, doubtful)
    if fail_on != "never" and (found.verdict == "bad" or found.verdict == fail_on):
        raise typer.Exit(1)


def tell(found: Audit) -> None:
    """Print the findings, the gravest first."""
    from rich.padding import Padding
    from rich.text import Text

    from guerdon.rlhf.audit.findings import ORDER

    console = out.console()
    head = f"{found.name}: {found.rows:,} pairs, {found.prompts:,} prompts"
    console.print(Text(out.clean(head), "bold"))
    for each in sorted(found.findings, key=lambda each: ORDER.index(each.verdict)):
        line = Text(f"{each.verdict:<13}", COLOURS[each.verdict]).append(f" {out.clean(each.title)}", "not dim bold")
        console.print(line)
        quiet = each.verdict in ("ok", "not measured")
        for words in (each.why,) if quiet else (each.why, f"To do: {each.do}"):
            console.print(Padding(Text(out.clean(words), "dim" if quiet else ""), (0, 0, 0, 14)))


def _next(page: Path | None, doubtful: Path | None) -> None:
    console = out.console()
    words = f"page: {page}" if page is not None else "Add --out PAGE.html for figures, tables and cases to look at."
    console.print(words, markup=False, soft_wrap=True)
    if doubtful is not None:
        console.print(f"pairs to label again: {doubtful}", markup=False, soft_wrap=True)


def _listener(quiet: bool) -> Callable[[str], None] | None:
    console = out.console(stderr=True)
    if quiet or not console.is_terminal:
        return None
    return lambda name: console.print(f"[dim]{name}[/]")


def _write_doubtful(found: Audit, path: Path) -> None:
    rows = next((each.export for each in found.findings if each.probe == "strength"), ())
    text = "".join(json_.dumps(row, allow_nan=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


# ---- what is named on the command line -------------------------------------------------------------------------------


def subject_named(ref: str) -> Reward | Preference:
    """A reward or judge by what names it; a plain function of an answer becomes a reward of any range.

    Raises:
        ConfigError: it is neither.
    """
    from guerdon.core.preference import Preference
    from guerdon.core.reward import ANY, Reward, reward_of
    from guerdon.rlhf.kept import load

    found = _in_code(ref)
    if found is None:
        return load(ref)
    if callable(found) and not isinstance(found, (Reward, Preference)) and _makes_one(found):
        found = found()
    if isinstance(found, (Reward, Preference)):
        return found
    if callable(found) and not isinstance(found, type):
        return reward_of(found, ANY, frozenset())
    raise ConfigError("a reward, a judge of pairs or a function", f"{ref} is none", "Name one that is ready")


def _makes_one(found: Any) -> bool:
    """Whether it is a class, or a function that is called without anything: what it makes is meant."""
    import inspect

    needed = [each for each in inspect.signature(found).parameters.values() if each.default is each.empty]
    return not needed


def _in_code(ref: str) -> Any:
    """The object behind module:NAME or FILE.py:NAME; None for anything else."""
    from guerdon.bench.loading import load_file, resolve

    path, _, name = ref.partition(":")
    if not name or Path(ref).exists():
        return None
    try:
        return getattr(load_file(path), name) if path.endswith(".py") else resolve(ref)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError("something as module:NAME or FILE.py:NAME", str(error)[:160], "Check the names") from None


def _extras(
    rows: PreferenceSet,
    samples: Path | None,
    history: Path | None,
    gold: str | None,
    policy: str | None,
    encoder: str | None,
    trained_on: Path | None,
    seed: int,
) -> Extras:
    from guerdon.core.reward import Reward
    from guerdon.prefer import files
    from guerdon.rlhf.audit import Extras
    from guerdon.rlhf.overoptimisation import read_history, read_samples

    judge = None if gold is None else subject_named(gold)
    if judge is not None and not isinstance(judge, Reward):
        raise ConfigError("--gold names a reward", f"{gold} compares pairs", "Name one that scores answers")
    drawn = read_samples(samples) if samples is not None else None
    if drawn is None and policy is not None:
        drawn = _drawn(policy, rows, seed)
    return Extras(
        encoder=None if encoder is None else encoder_named(encoder),
        encoder_name=encoder or "",
        samples=drawn,
        history=None if history is None else read_history(history),
        gold=judge,
        trained_on=None if trained_on is None else files.read(trained_on).rows,
    )


def encoder_named(ref: str) -> Encoder:
    """Texts to vectors: a function by its name, or an encoder of transformers by folder or hub id."""
    found = _in_code(ref)
    if callable(found):
        return found  # type: ignore[no-any-return]
    from guerdon.rlhf.audit.models import encoder_of

    return encoder_of(ref)


def _drawn(ref: str, rows: PreferenceSet, seed: int) -> Samples:
    """Answers of a policy to some prompts of the data."""
    from guerdon.rlhf.audit.models import drawn_by, drawn_by_model

    found = _in_code(ref)
    prompts = list(dict.fromkeys(prompt for prompt in rows.prompt if isinstance(prompt, str)))[:POLICY_PROMPTS]
    if callable(found):
        return drawn_by(found, prompts, DRAWN, seed)
    return drawn_by_model(ref, prompts, DRAWN, seed)
