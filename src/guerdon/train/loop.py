"""The one loop of language-model training: draw groups of answers, score them, learn, keep, tell.

    trained = train(policy, GRPO(lr=1e-3), prompts, score, iterations=100, batch=64, sampling=Sampling(...), seed=0)

Randomness is by name: iteration k draws the same prompts and numbers whether the run was stopped before or not, so a
run that was killed ends bit for bit as one that was not.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import digest
from guerdon.core.rng import stream
from guerdon.train import distributed
from guerdon.train.learners.base import Learner
from guerdon.train.learners.imitation import repeated
from guerdon.train.policy import Policy
from guerdon.train.rollouts import Prompts, Rollouts, Sampling, Score, collect
from guerdon.train.state import State
from guerdon.train.trackers import Tracker

__all__ = ["State", "Trained", "train"]

Row = dict[str, float]
Watch = Callable[[Policy, State], Mapping[str, float]]


@dataclass(frozen=True)
class Trained:
    """What training gave.

    Args:
        state: after the last iteration; `policy.load(state.policy)` puts it into the policy, as it is after `train`.
        history: a row for each iteration, with figures of the answers that it drew and of the update after it; where
            `watch` was given, also what that said of the policy that drew them, and a last row after all.
    """

    state: State
    history: list[Row]

    def curve(self, name: str) -> list[tuple[int, float]]:
        """(iteration, value) of a figure, where it is known."""
        return [(int(row["iteration"]), row[name]) for row in self.history if name in row]


def train(
    policy: Policy,
    learner: Learner,
    prompts: Prompts,
    score: Score,
    *,
    iterations: int,
    batch: int,
    sampling: Sampling,
    seed: int,
    start: State | None = None,
    watch: Watch | None = None,
    every: int = 10,
    folder: Path | str | None = None,
    trackers: Sequence[Tracker] = (),
) -> Trained:
    """Train a policy on scores of its own answers.

    Args:
        policy: a tiny policy, or any transformers model with or without an adapter.
        learner: such as `PPO()` or `GRPO()`.
        prompts: ids of each; every iteration draws from them, without repeats while there are enough.
        score: called with the drawn prompts (an array if `prompts` is one, else lists; each once for each answer) and
            their answers; gives (n,) or (n, C) numbers, nan where unknown.
        iterations: in all, those of `start` and of an earlier run in `folder` included.
        batch: answers of an iteration, a multiple of the group (and of the number of processes).
        sampling: how answers are drawn.
        seed: draws prompts, answers, weights and orders.
        start: where to begin; by default `learner.start(policy, seed)`.
        watch: asked at iterations 0, `every`, 2 `every`, ... before their answers are drawn, and at the end; what it
            returns joins the history.
        every: iterations between two calls of `watch`, and between two savings.
        folder: keeps the state; called again with the same settings, training goes on from there.
        trackers: are told each row; see `guerdon.train.trackers`.

    Raises:
        ConfigError: settings do not fit, or the folder is of other settings.
    """
    _check(prompts, batch, sampling, every)
    kept = None if folder is None else _Folder(Path(folder), _settings(learner, batch, sampling, seed, every))
    state, history = (kept and kept.load()) or (start or learner.start(policy, seed), [])
    with _told(trackers) as tell:
        while state.iteration < iterations:
            began, policy_now = time.perf_counter(), state.policy
            policy.load(policy_now)
            row: Row = {"iteration": state.iteration}
            if watch and state.iteration % every == 0:
                row |= watch(policy, state)
                policy.load(policy_now)  # whatever was watched
            rollouts = _collected(policy, learner, prompts, score, batch, sampling, seed, state)
            rng = stream(seed, "train", "update", state.iteration, distributed.place()[0])
            state, figures = learner.update(policy, state, rollouts, rng)
            state = replace(state, iteration=state.iteration + 1)
            history.append(_finite(row | rollouts.figures() | figures))
            tell(history[-1] | _speed(rollouts, time.perf_counter() - began))
            if kept and (state.iteration % every == 0 or state.iteration == iterations):
                kept.save(state, history)
        policy.load(state.policy)
        if watch and not (history and int(history[-1]["iteration"]) == state.iteration):
            history.append(_finite({"iteration": state.iteration, **watch(policy, state)}))
            policy.load(state.policy)
            tell(history[-1])
    return Trained(state, history)


def _collected(
    policy: Policy,
    learner: Learner,
    prompts: Prompts,
    score: Score,
    batch: int,
    sampling: Sampling,
    seed: int,
    state: State,
) -> Rollouts:
    """The answers of an iteration; of several processes each draws its share."""
    rank, processes = distributed.place()
    wanted = batch // sampling.group
    which = _choice(len(prompts), wanted, seed, state.iteration)[rank * wanted // processes :][: wanted // processes]
    some = prompts[which] if isinstance(prompts, np.ndarray) else [prompts[k] for k in which.tolist()]
    some = repeated(some, sampling.group)
    rng = stream(seed, "train", "draw", state.iteration, rank)
    return collect(policy, some, score, sampling, rng, asked=learner.asked(some, state))


def _choice(n: int, wanted: int, seed: int, iteration: int) -> Any:
    """Positions of an iteration's prompts: epochs of shuffled prompts, one after the other."""
    found: list[Any] = []
    at, end = iteration * wanted, (iteration + 1) * wanted
    while at < end:
        epoch, offset = divmod(at, n)
        order = stream(seed, "train", "prompts", epoch).permutation(n)
        found.append(order[offset : offset + end - at])
        at += len(found[-1])
    return np.concatenate(found)


def _check(prompts: Prompts, batch: int, sampling: Sampling, every: int) -> None:
    shares = sampling.group * distributed.place()[1]
    if not len(prompts) or batch < 1 or batch % shares or every < 1:
        got = f"got {len(prompts)} prompts, batch {batch}, group {sampling.group} and every {every}"
        raise ConfigError("prompts, a batch of whole groups for each process, every at least 1", got, "Fix the batch")


def _finite(row: Mapping[str, Any]) -> Row:
    """The figures that are numbers; a history has no nan."""
    found = {name: each if name == "iteration" else float(each) for name, each in row.items() if each is not None}
    return {name: each for name, each in found.items() if math.isfinite(each)}


def _speed(rollouts: Rollouts, seconds: float) -> Row:
    return {"seconds": seconds, "tokens_per_second": float(rollouts.drawn.lengths.sum()) / max(seconds, 1e-9)}


@contextmanager
def _told(trackers: Sequence[Tracker]) -> Iterator[Callable[[Row], None]]:
    """A function that tells all trackers a row; they are closed in the end. Only the first process tells."""
    mine = list(trackers) if distributed.place()[0] == 0 else []

    def tell(row: Row) -> None:
        figures = {name: each for name, each in row.items() if name != "iteration"}
        for tracker in mine:
            tracker.log(int(row["iteration"]), figures)

    try:
        yield tell
    finally:
        for tracker in mine:
            tracker.close()


# ---- keeping and resuming --------------------------------------------------------------------------------------------


def _settings(learner: Learner, batch: int, sampling: Sampling, seed: int, every: int) -> str:
    """A name for the settings that a kept state must share."""
    return digest([_plain(learner), batch, _plain(sampling), seed, every])


def _plain(thing: Any) -> Any:
    """Settings as plain data; of what is none, such as a network, its kind."""
    if is_dataclass(thing):
        named = {each.name: _plain(getattr(thing, each.name)) for each in fields(thing)}
        return {"kind": type(thing).__qualname__, **named}
    if isinstance(thing, (list, tuple)):
        return [_plain(each) for each in thing]
    return thing if thing is None or isinstance(thing, (str, int, float, bool)) else type(thing).__qualname__


class _Folder:
    """States on disk: each is written beside the last and then takes its place, so a kill leaves one of them whole."""

    def __init__(self, path: Path, settings: str) -> None:
        self.path, self.settings = path, settings

    def load(self) -> tuple[State, list[Row]] | None:
        """The newest state and its history, or nothing."""
        found = sorted(self.path.glob("state-????????")) if self.path.is_dir() else []
        if not found:
            return None
        try:
            plain = json.loads((found[-1] / "history.json").read_text(encoding="utf-8"))
            known, history = plain["settings"], [dict(row) for row in plain["history"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SolverError(f"{found[-1].name} holds a run", str(error)[:200], "Remove that folder") from None
        if known != self.settings:
            got = f"{self.path.name} holds one of other settings"
            raise ConfigError("a run of the same settings", got, "Give another folder, or the settings it had")
        return State.load(found[-1]), history

    def save(self, state: State, history: list[Row]) -> None:
        """Write a state, then remove those before it. Only the first process writes."""
        if distributed.place()[0]:
            return
        fresh, final = self.path / "writing", self.path / f"state-{state.iteration:08d}"
        shutil.rmtree(fresh, ignore_errors=True)
        state.save(fresh)
        plain = {"settings": self.settings, "history": history}
        (fresh / "history.json").write_text(json.dumps(plain, allow_nan=False), encoding="utf-8")
        shutil.rmtree(final, ignore_errors=True)
        fresh.rename(final)
        for old in self.path.glob("state-????????"):
            if old != final:
                shutil.rmtree(old, ignore_errors=True)
