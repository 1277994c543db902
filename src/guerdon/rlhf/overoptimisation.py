"""Where to stop: the peak of the gold reward along an optimisation of a proxy, with an interval over prompts.

    course = best_of_n_course(proxy, gold)     N scored answers to each prompt: no further draw is needed
    course = course_of_history(rows)           what a training run wrote down: kl, proxy, gold
    stop = where_to_stop(course)               stop.n, stop.low, stop.high, stop.fall, stop.over_optimised

A curve that is flat beyond its noise also has a highest point. So a fall counts only where it survives the search for
the peak: bounds hold for all places of the curve at once (max-t bootstrap over prompts).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.prefer.calibration import Estimate
from guerdon.prefer.overoptimisation import Curve, best_of_n_by_prompt, best_of_n_kl

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Course:
    """Proxy and gold reward against optimisation, with what says how sure the gold reward is.

    Args:
        curve: means and standard errors.
        by_prompt: (K, P) gold reward at each place for each of P prompts or blocks of steps, paired.
        alarm: (K,) disagreement of an ensemble's members along the curve (mean variance); empty without members.
    """

    curve: Curve
    by_prompt: Floats
    alarm: Floats


def best_of_n_course(
    proxy: npt.ArrayLike,
    gold: npt.ArrayLike,
    n: Sequence[int] | None = None,
    *,
    members: npt.ArrayLike | None = None,
) -> Course:
    """The course of best-of-n, without bias for every n from one drawing.

    Args:
        proxy: (P, N) scores of N answers to each of P prompts.
        gold: (P, N) of the same answers.
        n: where to measure; see `guerdon.prefer.overoptimisation.best_of_n`.
        members: (M, P, N) scores of an ensemble's members, for the alarm.

    Raises:
        ConfigError: shapes differ, a score is not finite, or n is out of range.
    """
    at, found = best_of_n_by_prompt(proxy, gold, n)
    alarm = np.zeros(0)
    if members is not None:
        told = np.asarray(members, float)
        alarm = best_of_n_by_prompt(proxy, told.var(0), at)[1][1].mean(1)
    prompts = found.shape[2]
    means = found.mean(2)
    errors = found.std(2, ddof=1) / math.sqrt(prompts) if prompts > 1 else np.full(means.shape, math.nan)
    return Course(Curve(at, best_of_n_kl(at), means[0], means[1], errors[0], errors[1]), found[1], alarm)


def course_of_history(rows: Iterable[Mapping[str, Any]], *, blocks: int = 20) -> Course:
    """The course of a training run: the mean of `gold`, `proxy` and `kl` over blocks of successive rows.

    Rows of `guerdon.train.loop.train` fit, where `watch` gives `gold`: there `reward` is the proxy. Rows without one
    of the three are left out; `iteration` (or `step`) is taken where it is given. Rows of one block stand for repeated
    measurements, so the noise is overestimated where the curve is steep: the finding is cautious.

    Args:
        rows: of a history.
        blocks: how many places the curve has at most; at least 3 rows each.

    Raises:
        ConfigError: there are fewer than 9 rows with `kl`, `proxy` and `gold`.
    """
    named = [{"proxy": row.get("reward"), **row} for row in rows]
    known = [row for row in named if all(_number(row.get(name)) is not None for name in ("kl", "proxy", "gold"))]
    if len(known) < 9:
        raise ConfigError("at least 9 rows with kl, proxy and gold", f"got {len(known)}", "Watch more often")
    steps = np.array([_step(row, k) for k, row in enumerate(known)], np.int64)
    table = np.array([[float(row[name]) for name in ("kl", "proxy", "gold")] for row in known])
    width = max(3, math.ceil(len(known) / blocks))
    count = len(known) // width
    ends = [slice(k * width, (k + 1) * width if k < count - 1 else len(known)) for k in range(count)]
    means = np.array([table[part].mean(0) for part in ends])
    gold = np.stack([table[part][:width, 2] for part in ends])
    gold = gold - gold.mean(1, keepdims=True) + means[:, 2:]
    errors = np.array([table[part][:, 1:].std(0, ddof=1) / math.sqrt(len(table[part])) for part in ends])
    kl = np.maximum(means[:, 0], 0.0)
    last = np.array([steps[part][-1] for part in ends], np.int64)
    return Course(Curve(last, kl, means[:, 1], means[:, 2], errors[:, 0], errors[:, 1]), gold, np.zeros(0))


def _number(value: Any) -> float | None:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if fits else None


def _step(row: Mapping[str, Any], place: int) -> int:
    found = next((row[name] for name in ("iteration", "step", "n") if isinstance(row.get(name), int)), place)
    return int(found)


# ---- where to stop ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Stop:
    """Where the gold reward is highest, and where it is not told from the highest.

    Args:
        place: of the peak on the curve.
        n: answers to choose from, or steps, at the peak.
        kl: divergence there, in nats.
        gold: reward there, with its 95 % interval over prompts.
        as_good: (K,) places whose gold reward is not told from the peak's.
        low: the first n as good as the peak: less optimisation for the same.
        high: the last n before the gold reward is worse than at the peak.
        fall: from the peak to the end, with an interval that holds for all places at once.
        surest: largest lower end of the fall from any place to the end; above 0, a fall survives the search for it.
        relative: the fall as a share of what was gained from the start to the peak; nan if nothing was gained.
    """

    place: int
    n: int
    kl: float
    gold: Estimate
    as_good: Bools
    low: int
    high: int
    fall: Estimate
    surest: float
    relative: float

    @property
    def over_optimised(self) -> bool:
        """Whether the gold reward falls after a peak by more than noise explains."""
        return self.surest > 0


def where_to_stop(course: Course, *, seed: int = 0, resamples: int = RESAMPLES) -> Stop:
    """The peak of the gold reward and what is as good.

    Args:
        course: the curve with gold rewards by prompt.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        ConfigError: the course has fewer than two prompts, so nothing says how sure it is.
    """
    gold, n = course.by_prompt, course.curve.n
    if gold.shape[1] < 2:
        raise ConfigError("gold rewards of at least two prompts", f"got {gold.shape[1]}", "Score more prompts")
    means = gold.mean(1)
    peak = int(means.argmax())
    again = _resampled(gold, stream(seed, "where-to-stop"), resamples)
    low, high = np.quantile(again[:, peak], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    as_good: Bools = means[peak] - means <= _width(gold, again, peak)
    falls, width = means - means[-1], _width(gold, again, len(means) - 1)
    fall, gained = float(falls[peak]), float(means[peak] - means[0])
    return Stop(
        place=peak,
        n=int(n[peak]),
        kl=float(course.curve.kl[peak]),
        gold=Estimate(float(means[peak]), float(low), float(high)),
        as_good=as_good,
        low=int(n[int(as_good.argmax())]),
        high=int(n[_reach(as_good, peak)]),
        fall=Estimate(fall, fall - float(width[peak]), fall + float(width[peak])),
        surest=float((falls - width).max()),
        relative=fall / gained if gained > 0 else math.nan,
    )


def _resampled(gold: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """(B, K) means over prompts drawn with replacement, the same prompts at all places."""
    prompts = gold.shape[1]
    counts = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples)
    found: Floats = counts @ gold.T / prompts
    return found


def _width(gold: Floats, again: Floats, place: int) -> Floats:
    """(K,) half widths of intervals of the paired differences from one place that hold for all places at once."""
    means = gold.mean(1)
    off = np.abs((again - again[:, [place]]) - (means - means[place]))
    errors = np.maximum((gold - gold[place]).std(1, ddof=1) / math.sqrt(gold.shape[1]), 1e-12)
    errors[place] = math.inf
    critical = float(np.quantile((off / errors).max(1), LEVEL))
    errors[place] = 0.0
    found: Floats = critical * errors
    return found


def _reach(as_good: Bools, peak: int) -> int:
    """The last place from the peak on before one that is worse."""
    after = np.flatnonzero(~as_good[peak:])
    return len(as_good) - 1 if not len(after) else peak + int(after[0]) - 1


# ---- files -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Samples:
    """N answers to each of P prompts with their scores.

    Args:
        prompts: P texts.
        answers: N texts of each; empty where the file has only scores.
        proxy: (P, N); nan where it is not in the file.
        gold: (P, N); nan where it is not in the file.
        members: (M, P, N) of an ensemble; None without.
    """

    prompts: list[str]
    answers: list[list[str]]
    proxy: Floats
    gold: Floats
    members: Floats | None = None


def read_samples(path: Path) -> Samples:
    """Scored answers from JSON lines or parquet, a prompt a row.

    Fields: `prompt` (or `instruction` with `input`), `answers` (texts; or `responses`, `completions`, `outputs`),
    `gold` (numbers; or `gold_scores`), `proxy` (or `proxy_scores`), `members` (a list of scores for each member; or
    `member_scores`). That takes the released tlc4418/gold_labelled_gens as it is. Rows are cut to the shortest.

    Raises:
        ConfigError: a row has neither answers nor proxy scores, or lists of different lengths.
    """
    rows = [_sample(row, k) for k, row in enumerate(_rows(path), 1)]
    if not rows:
        raise ConfigError("scored answers", f"{path.name} has no row", "Write a prompt a line")
    n = min(row["n"] for row in rows)

    def table(name: str) -> Floats:
        return np.array([row[name][:n] if row[name] is not None else [math.nan] * n for row in rows], float)

    members = None
    if all(row["members"] is not None for row in rows):
        members = np.array([[each[:n] for each in row["members"]] for row in rows], float).transpose(1, 0, 2)
    answers = [list(row["answers"][:n]) if row["answers"] is not None else [] for row in rows]
    return Samples([row["prompt"] for row in rows], answers, table("proxy"), table("gold"), members)


_NAMES = {
    "answers": ("answers", "responses", "completions", "outputs"),
    "gold": ("gold", "gold_scores"),
    "proxy": ("proxy", "proxy_scores"),
    "members": ("members", "member_scores"),
}


def _sample(row: Any, line: int) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ConfigError(f"an object in row {line}", f"got a {type(row).__name__}", "Write a prompt a line")
    prompt = row.get("prompt", row.get("instruction", ""))
    prompt = f"{prompt}\n{row['input']}" if row.get("input") else prompt
    found: dict[str, Any] = {"prompt": str(prompt)}
    for name, known in _NAMES.items():
        found[name] = next((row[each] for each in known if isinstance(row.get(each), list)), None)
    sizes = {len(found[name]) for name in ("answers", "gold", "proxy") if found[name] is not None}
    sizes |= {len(each) for each in found["members"] or []}
    if len(sizes) != 1 or (found["answers"] is None and found["proxy"] is None):
        got = f"row {line} has lists of {sorted(sizes)} values" if sizes else f"row {line} has {', '.join(row)[:100]}"
        raise ConfigError("answers or proxy scores, and gold scores of the same number", got, "Align the lists")
    return found | {"n": sizes.pop()}


def read_history(path: Path) -> list[dict[str, Any]]:
    """Rows of a training history: JSON lines, one JSON list, or an object with a list `history`.

    Raises:
        ConfigError: the file is not readable or not of rows.
    """
    rows = list(_rows(path))
    if not all(isinstance(row, dict) for row in rows):
        raise ConfigError("rows with kl, proxy and gold", f"{path.name} holds other values", "Write an object a line")
    return rows


def _whole(text: str) -> list[Any] | None:
    """The rows of a file that is one JSON list, or one object with a list `history`; None of JSON lines."""
    if text.lstrip().startswith("["):
        return list(json.loads(text))
    try:
        found = json.loads(text)
    except ValueError:
        return None
    kept = found.get("history") if isinstance(found, dict) else None
    return kept if isinstance(kept, list) else None


def _rows(path: Path) -> Iterator[Any]:
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet

            yield from pyarrow.parquet.read_table(path).to_pylist()
            return
        text = path.read_text(encoding="utf-8")
        whole = _whole(text)
        if whole is not None:
            yield from whole
            return
        yield from (json.loads(line) for line in text.splitlines() if line.strip())
    except ImportError:
        raise ConfigError("pyarrow for parquet", "it is missing", 'pip install "guerdon[parquet]"') from None
    except (OSError, ValueError) as error:
        raise ConfigError("a readable file of rows", f"{path.name}: {str(error)[:120]}", "Check the file") from None
