"""A policy of the grid as plain data, and how sure it is: what the challenge judges.

An answer is one of

    {"actions": [1, 1, 2, ...]}            played blindly, whatever happens
    {"layers": [{"weight": W, "bias": b}, ...]}    a perceptron with ReLU between layers, whose input is row, column and
                                                   key as one-hot numbers, and whose output is one logit for each action

where W and b are `{"shape": [out, in], "float32": base64 of the little-endian bytes}`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import GuerdonError
from guerdon.core.plain import Blob, Json
from guerdon.systems.go_explore.robustify.noisy import GridWorlds
from guerdon.worlds.grid import KeyDoor

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Array: TypeAlias = npt.NDArray[Any]
MOST_LAYERS, MOST_UNITS, MOST_WEIGHTS = 8, 4096, 2**20


class AnswerError(GuerdonError):
    """An answer that is no policy of the grid."""


class Played(NamedTuple):
    """How some episodes went.

    Args:
        won: `(n,)`, whether the goal was reached.
        steps: `(n,)`, steps taken.
    """

    won: npt.NDArray[np.bool_]
    steps: npt.NDArray[np.int64]


def written(layers: Sequence[tuple[Array, Array]]) -> dict[str, Json]:
    """Weights and biases as an answer."""
    return {"layers": [{"weight": _tensor(weight), "bias": _tensor(bias)} for weight, bias in layers]}


def read(content: object, shape: tuple[int, int], max_steps: int) -> Array:
    """What an answer does: actions `(L,)`, or the logits of every observation `(rows, columns, 2, 4)`.

    Args:
        content: of an answer, from anybody.
        shape: rows and columns of the grid.
        max_steps: longest list of actions.

    Raises:
        AnswerError: it is neither.
    """
    if isinstance(content, Blob) or not isinstance(content, Mapping) or set(content) not in ({"actions"}, {"layers"}):
        raise AnswerError('{"actions": [...]} or {"layers": [...]}', f"got a {type(content).__name__}")
    if "actions" in content:
        return _actions(content["actions"], max_steps)
    layers = content["layers"]
    if not isinstance(layers, (list, tuple)) or not 1 <= len(layers) <= MOST_LAYERS:
        raise AnswerError(f"1 to {MOST_LAYERS} layers", f"got {_brief(layers)}")
    width, weights = sum(shape) + 2, list[tuple[Array, Array]]()
    for i, layer in enumerate(layers):
        if not isinstance(layer, Mapping) or set(layer) != {"weight", "bias"}:
            raise AnswerError(f"layer {i} has a weight and a bias", f"got {_brief(layer)}")
        weight = _array(layer["weight"], f"weight {i}", 2)
        bias = _array(layer["bias"], f"bias {i}", 1)
        if weight.shape[1] != width or bias.shape != weight.shape[:1]:
            raise AnswerError(f"layer {i} takes {width} numbers", f"got shapes {weight.shape} and {bias.shape}")
        width = len(weight)
        weights.append((weight, bias))
    if width != 4:
        raise AnswerError("a logit for each of 4 actions", f"got {width}")
    return _logits(weights, shape)


def play(
    does: Array, worlds: GridWorlds, no_ops: int, rng: Rng, watch: Callable[[npt.NDArray[np.bool_]], None] | None = None
) -> Played:
    """Play one episode in each lane, from the true start, with fresh noise.

    Args:
        does: what `read` returned.
        worlds: the lanes.
        no_ops: most steps of waiting before an episode.
        rng: draws noise, waits and actions.
        watch: called before each step with the lanes `(n,)` that have ended.
    """
    n, start = worlds.n, worlds.record([0]).start()
    seeds, waits = rng.integers(2**62, size=n), rng.integers(no_ops + 1, size=n)
    worlds.place(np.arange(n), [start] * n, np.zeros(n, np.int64), seeds, waits)
    won, done, steps = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, np.int64)
    heaps = np.cumsum(_chances(does), -1) if does.ndim > 1 else None
    for t in range(worlds.max_steps if heaps is not None else len(does)):
        if watch is not None:
            watch(done)
        if heaps is None:
            actions = np.full(n, does[t])
        else:
            seen = worlds.look()
            rows = heaps[seen[:, 0], seen[:, 1], seen[:, 2]]
            actions = np.minimum((rows < rng.random(n)[:, None]).sum(1), 3)
        moved = worlds.step(actions, ~done)
        steps += ~done
        won |= moved.terminated & ~done
        done |= moved.terminated | moved.truncated
        if done.all():
            break
    return Played(won, steps)


def best_actions(worlds: GridWorlds) -> Array:
    """The action that is nearest to the goal, of every observation `(rows, columns, 2)`; -1 where there is no way.

    A reference: what an exact planner knows without noise.
    """
    rows, columns = worlds.grid.shape
    states = np.arange(rows * columns * 2)
    free = np.array([sign != "#" for sign in "".join(worlds.grid.layout.split())]).repeat(2)
    goal = 2 * "".join(worlds.grid.layout.split()).index("G") + 1
    quiet = KeyDoor(1, autoreset=False, layout=worlds.grid.layout)
    after = np.full((len(states), 4), -1)
    for state in states[free & (states != goal)]:
        for action in range(4):
            quiet.put(np.array([[state, 0, 0, 0, 0]], np.uint64))
            quiet.step(np.array([action]))
            after[state, action] = int(quiet.rows()[0, 0])
    far = np.full(len(states) + 1, np.inf)
    far[goal] = 0
    for _ in states:
        far[:-1] = np.minimum(far[:-1], far[after].min(1) + 1)
    best = np.where(np.isfinite(far[after]).any(1), far[after].argmin(1), -1)
    return best.reshape(rows, columns, 2)


def table_policy(actions: Array, sure: float = 60.0) -> dict[str, Json]:
    """The answer that takes one action for each observation: a hidden unit for each that has one.

    Args:
        actions: `(rows, columns, 2)`, -1 where nothing is said.
        sure: logit of the action.
    """
    rows, columns, _ = actions.shape
    places = np.argwhere(actions >= 0)
    first = np.zeros((len(places), rows + columns + 2), np.float32)
    lines = np.arange(len(places))
    for entry, offset in enumerate((0, rows, rows + columns)):
        first[lines, offset + places[:, entry]] = 1.0
    second = np.zeros((4, len(places)), np.float32)
    second[actions[tuple(places.T)], lines] = 2.0 * sure
    return written([(first, np.full(len(places), -2.5, np.float32)), (second, np.zeros(4, np.float32))])


def _actions(actions: object, most: int) -> Array:
    if not isinstance(actions, (list, tuple)) or len(actions) > most:
        raise AnswerError(f"a list of at most {most} actions", f"got {_brief(actions)}")
    odd = next((i for i, action in enumerate(actions) if type(action) is not int or not 0 <= action < 4), None)
    if odd is not None:
        raise AnswerError("actions from 0 to 3", f"action {odd} is {_brief(actions[odd])}")
    return np.array(actions, np.int64)


def _array(value: object, name: str, axes: int) -> Array:
    if not isinstance(value, Mapping) or set(value) != {"shape", "float32"}:
        raise AnswerError(f"{name} has a shape and float32", f"got {_brief(value)}")
    shape, text = value["shape"], value["float32"]
    whole = isinstance(shape, (list, tuple)) and len(shape) == axes and all(type(x) is int for x in shape)
    if not whole or not all(1 <= x <= MOST_UNITS for x in shape) or prod(shape) > MOST_WEIGHTS:
        raise AnswerError(f"{name} has {axes} sizes from 1 to {MOST_UNITS}", f"got {_brief(shape)}")
    if not isinstance(text, str) or len(text) != 4 * ((4 * prod(shape) + 2) // 3):
        raise AnswerError(f"{name} has {4 * prod(shape)} bytes in base64", f"got {_brief(text)}")
    try:
        array = np.frombuffer(base64.b64decode(text, validate=True), "<f4").reshape(shape)
    except (binascii.Error, ValueError) as error:
        raise AnswerError(f"{name} is base64", str(error)[:100]) from None
    if not np.isfinite(array).all():
        raise AnswerError(f"{name} has finite numbers", "got others")
    return array


def _logits(layers: Sequence[tuple[Array, Array]], shape: tuple[int, int]) -> Array:
    """Of all observations at once: there are few."""
    rows, columns = shape
    seen = np.stack(np.meshgrid(range(rows), range(columns), range(2), indexing="ij"), -1).reshape(-1, 3)
    x = np.concatenate([np.eye(size)[seen[:, i]] for i, size in enumerate((rows, columns, 2))], 1)
    with np.errstate(over="ignore", invalid="ignore"):
        for i, (weight, bias) in enumerate(layers):
            x = x @ weight.T.astype(np.float64) + bias
            x = np.maximum(x, 0.0) if i < len(layers) - 1 else x
    if not np.isfinite(x).all():
        raise AnswerError("logits that are finite", "they overflow")
    return x.reshape(rows, columns, 2, 4)


def _chances(logits: Array) -> Array:
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    chances: Array = weights / weights.sum(-1, keepdims=True)
    return chances


def _tensor(array: Array) -> dict[str, Json]:
    plain = np.ascontiguousarray(array, "<f4")
    return {"shape": list(plain.shape), "float32": base64.b64encode(plain.tobytes()).decode("ascii")}


def _brief(value: object) -> str:
    size = f" of {len(value)}" if isinstance(value, (str, list, tuple, Mapping)) else ""
    text = f" {value!r}" if isinstance(value, (int, float)) and abs(value) < 1e9 else ""
    return f"a {type(value).__name__}{size}{text}"
