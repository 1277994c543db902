"""Strength columns of a preference set, in the names of the released annotated set (fnlp/hh-rlhf-strength-cleaned).

told = measured(rows, ["my-reward"])            the vote of rewards that are there
told = by_training(rows, members=10)            of members that learn from the set itself
rows = annotated(rows, told);   told = strength_of(rows)         columns on, columns off
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.ensembles import Strength
from guerdon.prefer.sets import FIRST, PreferenceSet, Text, key_of
from guerdon.rlhf.fitting import RewardFit, fit_reward
from guerdon.rlhf.kept import KeptReward, load

Floats = npt.NDArray[np.float64]
COLUMNS = ("chosen score list", "rejected score list", "mean preference difference", "std preference difference")
CLASS = "strength class"
GPT4 = "GPT4 label"
Told = Callable[[int, int], None]


def sides(rows: PreferenceSet) -> tuple[list[Text], list[Text]]:
    """The chosen and the rejected responses.

    Raises:
        ConfigError: a row has no choice of a side.
    """
    if not rows.decided.all():
        got = f"{int((~rows.decided).sum())} rows have none"
        raise ConfigError("pairs with a choice", got, "Keep rows.take(rows.decided)")
    turned = (rows.choice != FIRST).tolist()
    both = list(zip(rows.first, rows.second, turned, strict=True))
    return [b if turn else a for a, b, turn in both], [a if turn else b for a, b, turn in both]


def measured(rows: PreferenceSet, rewards: Sequence[str | Path | Reward]) -> Strength:
    """The vote of rewards: each member of a kept reward votes, on its own unstandardised scale.

    Args:
        rows: pairs with a choice.
        rewards: what `guerdon.rlhf.kept.load` opens, or rewards.

    Raises:
        ConfigError: there are fewer than two members, or a score is unknown.
    """
    chosen, rejected = sides(rows)
    opened = [load(each) if isinstance(each, (str, Path)) else each for each in rewards]
    told = [np.concatenate([_members(one, rows.prompt, side) for one in opened]) for side in (chosen, rejected)]
    if len(told[0]) < 2:
        raise ConfigError("two members or more", f"got {len(told[0])}", "Give several rewards, or one of several")
    return Strength(told[0], told[1])


def _members(reward: Reward, prompts: Sequence[Text], responses: Sequence[Text]) -> Floats:
    """(k, n) scores by the members of a reward."""
    if isinstance(reward, KeptReward):
        rows = reward.encoding.rows(prompts, responses)
        return np.stack([member.raw(rows) for member in reward.members])
    asked: list[Any] = [{"prompt": each} for each in prompts]
    cases = [Case(Task(str(k), one), Answer(str(k), said)) for k, (one, said) in enumerate(zip(asked, responses))]
    values = [score.value for score in reward(cases)]
    if any(value is None for value in values):
        raise ConfigError("a score for each response", f"{reward.name} has none for some", "Leave it out")
    return np.array([values], float)


def by_training(
    rows: PreferenceSet,
    *,
    members: int = 10,
    folds: int = 0,
    settings: RewardFit | None = None,
    folder: str | Path | None = None,
    told: Told | None = None,
) -> Strength:
    """The vote of members that are trained on the set itself, with other heads and orders.

    Args:
        rows: pairs with a choice.
        members: M; 10 in the report.
        folds: 0 trains each member on all pairs, as the report does; from 2 on, each votes on pairs whose prompts it
            did not train on, since members that trained on a pair lean to its label.
        settings: of their training: backbone, epochs (few: with many, members learn wrong labels by heart), seed.
        folder: where they are kept; a folder that goes away by default.
        told: see `fit_reward`.

    Raises:
        ConfigError: there are fewer prompts than folds.
    """
    from dataclasses import replace

    chosen = replace(settings or RewardFit(), members=members, holdout=0.0)
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(folder or scratch)
        if folds < 2:
            return measured(rows, [fit_reward(rows, chosen, where / "all", told=told).reward])
        part = _folds(rows, folds, chosen.seed)
        scores = np.empty((2, members, len(rows)))
        for k in range(folds):
            reward = fit_reward(rows.take(part != k), chosen, where / f"fold-{k}", told=told).reward
            found = measured(rows.take(part == k), [reward])
            scores[0][:, part == k], scores[1][:, part == k] = found.chosen, found.rejected
        return Strength(scores[0], scores[1])


def _folds(rows: PreferenceSet, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """(n,) a fold for each row; rows of one prompt share theirs."""
    keys = [key_of(prompt) for prompt in rows.prompt]
    names = sorted(set(keys))
    if len(names) < folds:
        raise ConfigError(f"at least {folds} prompts", f"got {len(names)}", "Lower folds")
    order = stream(seed, "secrets-rm", "folds").permutation(len(names)) % folds
    place = dict(zip(names, order.tolist(), strict=True))
    return np.array([place[key] for key in keys], np.int64)


# ---- columns ---------------------------------------------------------------------------------------------------------


def annotated(rows: PreferenceSet, told: Strength) -> PreferenceSet:
    """The set with the four released columns and the class of each pair.

    Args:
        rows: pairs with a choice.
        told: their strength.
    """
    columns = dict(rows.columns) | told.columns() | {CLASS: told.kinds()}
    return PreferenceSet.of(
        rows.prompt, rows.first, rows.second, rows.choice,
        margin=rows.margin, weight=rows.weight, annotator=rows.annotator, fault=rows.fault, columns=columns,
    )  # fmt: skip


def strength_of(rows: PreferenceSet) -> Strength:
    """The strength that an annotated set carries, so that no member need be trained.

    Raises:
        ConfigError: it has no score lists, or lists of different lengths.
    """
    missing = [name for name in COLUMNS[:2] if name not in rows.columns]
    if missing:
        raise ConfigError("an annotated set", f"there is no column {missing[0]!r}", "Run annotate on it first")
    lists: list[Any] = [rows.columns[name] for name in COLUMNS[:2]]
    sizes = {len(each) if isinstance(each, (list, tuple, np.ndarray)) else 0 for column in lists for each in column}
    if len(sizes) != 1 or sizes == {0}:
        raise ConfigError("score lists of one length", f"got lengths {sorted(sizes)[:5]}", "Annotate it anew")
    return Strength.of_columns(dict(zip(COLUMNS[:2], lists, strict=True)))


def relabelled(rows: PreferenceSet, column: str = GPT4) -> dict[str, PreferenceSet]:
    """The three validation sets of a released file.

    Args:
        rows: of the released validation file.
        column: 1 where the other annotator agrees, 0 where it prefers the rejected side, -1 where it says nothing.

    Returns:
        `original`, as labelled; `other`, by the other annotator; `agreement`, where both agree.

    Raises:
        ConfigError: there is no such column.
    """
    if column not in rows.columns:
        raise ConfigError("labels of another annotator", f"there is no column {column!r}", "Use the validation file")
    said = np.array([-1 if value is None else int(value) for value in rows.columns[column]])
    turned = rows.flipped(said == 0)
    return {"original": rows, "other": turned.take(said >= 0), "agreement": rows.take(said == 1)}


def agreement(told: Strength, agrees: npt.ArrayLike, size: int = 500) -> list[tuple[float, float]]:
    """Mean strength and agreement with another annotator of groups of pairs, the weakest first.

    Args:
        told: strength of n pairs.
        agrees: (n,) whether the other annotator does.
        size: of a group; what is left over at the end joins the last one.
    """
    order = np.argsort(told.mean, kind="stable")
    known = np.asarray(agrees, bool)
    parts = np.array_split(order, max(1, len(order) // size))
    return [(float(told.mean[part].mean()), float(known[part].mean())) for part in parts]


def released(rows: PreferenceSet) -> list[dict[str, Any]]:
    """Rows in the released shape: `chosen` and `rejected` as lists of turns, and all columns."""
    chosen, rejected = sides(rows)
    names = list(rows.columns)
    found = []
    for k, prompt in enumerate(rows.prompt):
        row: dict[str, Any] = {"chosen": _turns(prompt) + _turns(chosen[k])}
        row["rejected"] = _turns(prompt) + _turns(rejected[k])
        found.append(row | {name: _plain(rows.columns[name][k]) for name in names})
    return found


def _turns(text: Text) -> list[str]:
    return [text] if isinstance(text, str) else [_content(message) for message in text]


def _content(message: Mapping[str, Any]) -> str:
    return str(message["content"])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
