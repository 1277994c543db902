"""Answers, pairs and members of published size: hub data sets, files in their format, any sequence classifier.

tlc4418/gold_labelled_gens                           instruction, input, answers[N], gold_scores[N]
tlc4418/1.4b-policy_preference_data_gold_labelled    instruction, input, answers[2], preference (0 or 1: the better)
tatsu-lab/alpaca_farm                                instruction, input, output_1, output_2, preference (1 or 2)
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.core.score import Fault, FaultKind
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.files import read_rows
from guerdon.prefer.models import Backbone
from guerdon.prefer.sets import PreferenceSet
from guerdon.rlhf.kept import Classifier, KeptReward, load
from guerdon.rlhf.overoptimisation import Samples, read_history, read_samples
from guerdon.systems.rm_ensembles.curves import Floats

TEMPLATE = "<|prompter|>{prompt}<|endoftext|><|assistant|>{response}"
"""What the published members read; the tokenizer's end token follows."""
LONGEST = 776
"""Tokens of the published instruction and answer together."""


def rows_of(source: str, split: str) -> list[dict[str, Any]]:
    """Rows of a local `.jsonl`, `.json` or `.parquet` file, or of a data set of the hub.

    Args:
        source: a path, or OWNER/NAME.
        split: of a data set of the hub.

    Raises:
        ConfigError: `datasets` is missing, or there is no such thing.
    """
    if Path(source).is_file():
        return read_history(Path(source))
    try:
        import datasets
    except ImportError:
        raise ConfigError("the package datasets", "it is not installed", "Run pip install datasets") from None
    try:
        return [dict(row) for row in datasets.load_dataset(source, split=split)]
    except (OSError, ValueError) as error:
        got = f"{source[:80]}: {type(error).__name__}"
        raise ConfigError("a file of rows, or a data set of the hub", got, "Check name and network") from None


def answers_of(source: str, split: str = "validation", most: int = 0) -> Samples:
    """N answers to each prompt with gold scores, from a file or the hub.

    Args:
        source: see `rows_of`; files are read without `datasets`.
        split: of a data set of the hub.
        most: answers that are kept of each prompt; 0 for all.

    Raises:
        ConfigError: they have no gold scores.
    """
    if Path(source).is_file():
        found = read_samples(Path(source))
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.jsonl"
            with path.open("w", encoding="utf-8") as stream_:
                stream_.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of(source, split))
            found = read_samples(path)
    if np.isnan(found.gold).any():
        raise ConfigError("a gold score for each answer", f"{Path(source).name} lacks some", "Score them first")
    if not most:
        return found
    members = None if found.members is None else found.members[:, :, :most]
    answers = [each[:most] for each in found.answers]
    return Samples(found.prompts, answers, found.proxy[:, :most], found.gold[:, :most], members)


def pairs_of(rows: Sequence[Mapping[str, Any]], *, flips: float = 0.0, seed: int = 0) -> PreferenceSet:
    """Preferences of either format, with a share of labels made wrong.

    Args:
        rows: with `answers` of two and `preference` 0 or 1, which is the better one; or in AlpacaFarm's format.
        flips: share of wrong labels, drawn for each pair; 0.25 and 0.35 were published.
        seed: draws which.

    Raises:
        ConfigError: a row is in neither format, or flips is no share.
    """
    if not 0 <= flips <= 1:
        raise ConfigError("flips is a share from 0 to 1", f"got {flips}", "Use 0.25")
    if rows and "answers" in rows[0]:
        found = _two_answers(rows)
    else:
        found = read_rows(rows, "alpaca-farm").rows
    return found.flipped(stream(seed, "rm-ensembles", "flips").random(len(found)) < flips)


def _two_answers(rows: Sequence[Mapping[str, Any]]) -> PreferenceSet:
    asked, sides, choice = [], [], []
    for line, row in enumerate(rows, 1):
        answers, better = row.get("answers"), row.get("preference")
        if not isinstance(answers, list) or len(answers) != 2 or better not in (0, 1):
            got = f"row {line} has preference {better!r}"
            raise ConfigError("two answers, and 0 or 1 for the better one", got, "Check the file")
        more = row.get("input") or ""
        asked.append(f"{row['instruction']}\n{more}" if more else str(row["instruction"]))
        sides.append(answers)
        choice.append("first" if better == 0 else "second")
    first, second = zip(*sides, strict=True) if sides else ((), ())
    return PreferenceSet.of(asked, first, second, choice)


# ---- members ---------------------------------------------------------------------------------------------------------


def member_scores(refs: Sequence[str], samples: Samples, *, devices: Sequence[str] = ("cpu",)) -> Floats:
    """(k, P, N) standardised scores of all members; each has mean 0 and sd 1 over all answers.

    A classifier reads answers in the published template, a reward of `guerdon reward fit` as it was trained.

    Args:
        refs: folders of rewards or classifiers, or hub ids; a folder may hold several members.
        samples: what is scored.
        devices: that they take in turn.

    Raises:
        ConfigError: a member is no such thing, or a score is not finite.
    """
    asked = [prompt for prompt, answers in zip(samples.prompts, samples.answers, strict=True) for _ in answers]
    said = [answer for answers in samples.answers for answer in answers]
    found = [_scores(ref, asked, said, devices[k % len(devices)]) for k, ref in enumerate(refs)]
    return standardised(np.concatenate(found).reshape(-1, *samples.gold.shape))


def _scores(ref: str, asked: Sequence[str], said: Sequence[str], device: str) -> Floats:
    reward = load(ref)
    if isinstance(reward, KeptReward):
        if "classifier" in reward.lineage:
            reward = replace(reward, encoding=replace(reward.encoding, template=TEMPLATE, longest=LONGEST))  # type: ignore[type-var]
        return _moved(reward, device).member_scores(asked, said)
    if isinstance(reward, Classifier):
        reward = replace(reward, encoding=replace(reward.encoding, template=TEMPLATE, longest=LONGEST))
    cases = [Case(Task(str(k), {"prompt": a}), Answer(str(k), b)) for k, (a, b) in enumerate(zip(asked, said))]
    told = reward(cases)
    values = [score.value for score in told]
    if any(value is None for value in values):
        fault = next((score.fault for score in told if score.fault), Fault(FaultKind.JUDGE, "unknown"))
        raise ConfigError("a score for each answer", f"{ref[:80]}: {fault.detail}", "Leave this member out")
    return np.array([values], float)


def _moved(reward: KeptReward, device: str) -> KeptReward:
    """The same reward with its weights on a device."""
    if device == "cpu":
        return reward
    body = reward.members[0].body
    if isinstance(body, Backbone):
        body.module.to(device)
    members = tuple(
        replace(member, weights={name: each.to(device) for name, each in member.weights.items()})
        for member in reward.members
    )
    return replace(reward, members=members)


def standardised(scores: Floats) -> Floats:
    """(k, ...) each of k on a scale where all its scores have mean 0 and sd 1.

    Raises:
        ConfigError: one scores all answers alike, or not finitely.
    """
    flat = scores.reshape(len(scores), -1)
    mean, sd = flat.mean(1), flat.std(1)
    bad = np.flatnonzero(~((sd > 1e-12) & np.isfinite(sd)))
    if len(bad):
        got = f"member {int(bad[0]) + 1} has sd {sd[bad[0]]}"
        raise ConfigError("finite scores that differ", got, "Leave it out")
    shape = (-1, *[1] * (scores.ndim - 1))
    made: Floats = (scores - mean.reshape(shape)) / sd.reshape(shape)
    return made
