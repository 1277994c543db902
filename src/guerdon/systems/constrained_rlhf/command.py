"""The commands: `run` trains, `proxy` and `search` find thresholds, `data` writes prompts of daily_dialog."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from guerdon.bench.commands import obey
from guerdon.bench.loading import reward_named
from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.systems.constrained_rlhf.dialogue import daily_dialog
from guerdon.systems.constrained_rlhf.learners import Method
from guerdon.systems.constrained_rlhf.picture import draw, draw_search
from guerdon.systems.constrained_rlhf.proxy_points import fit, independent
from guerdon.systems.constrained_rlhf.runs import TINY_MULTIPLIER_LR, Course, Setting, tiny_setting
from guerdon.systems.constrained_rlhf.texts import Model, judge_named, read_prompts, text_setting
from guerdon.systems.constrained_rlhf.thresholds import ThresholdSearch
from guerdon.train.trackers import Lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; errors meant for people go to stderr with their exit code."""
    obey(_parser(), arguments)


# ---- commands --------------------------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> None:
    """Train by a method, and say how the thresholds were held."""
    setting = _setting(options)
    theta, alpha = _numbers(options.theta, setting.names), _numbers(options.weights, setting.names)
    folder = Path(options.folder)
    trained = setting.train(
        options.method, options.iterations, thresholds=theta, weights=alpha, folder=folder / "run",
        trackers=[Lines(folder / "history.jsonl")],
    )  # fmt: skip
    course, wanted = Course.of(trained.history, setting.names), dict(zip(setting.names, theta))
    draw(course, folder / "run.html", f"{options.method}, seed {setting.seed}", wanted)
    held = course.held(theta) if theta else {}
    _say({
        "method": options.method, "iterations": trained.state.iteration, "eval": course.final, "peak": course.peak,
        "kl": float(course.kl[-1]), "held": {name: {**asdict(each), "word": each.word} for name, each in held.items()},
        "picture": str(folder / "run.html"),
    }, options.json)  # fmt: skip


def proxy(options: argparse.Namespace) -> None:
    """Train on each component alone, fit the evaluation over all components, and print its top as thresholds."""
    setting = _setting(options)
    folder, names = Path(options.folder), setting.names
    courses = []
    for i, name in enumerate(names):
        alone = [float(i == j) for j in range(len(names))]
        trained = setting.train(
            "ppo-no-kl", options.iterations, weights=alone, folder=folder / f"alone-{name}",
            trackers=[Lines(folder / f"alone-{name}.jsonl")],
        )  # fmt: skip
        courses.append(Course.of(trained.history, names))
        draw(courses[-1], folder / f"alone-{name}.html", f"{name} alone, seed {setting.seed}")
    points = np.concatenate([course.held_out for course in courses])
    surface = fit(
        points, np.concatenate([c.evaluations for c in courses]), degree=options.degree, density=options.density
    )
    theta, top = surface.top()
    apart = independent([c.held_out[:, i] for i, c in enumerate(courses)], [c.evaluations for c in courses], smooth=3)
    found = {
        "theta": dict(zip(names, theta.tolist())), "eval": top, "error": surface.error,
        "independent": dict(zip(names, apart.tolist())),
    }  # fmt: skip
    (folder / "theta.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    _say(found, options.json)


def search(options: argparse.Namespace) -> None:
    """Search thresholds in one run."""
    setting = _setting(options)
    most = _numbers(options.most_theta, setting.names) or (1.0,) * len(setting.names)
    rule = ThresholdSearch(iterations=options.iterations, most=most)
    found = rule.run(setting, Path(options.folder) / "search")
    draw_search(found.tried, setting.names, Path(options.folder) / "search.html")
    top = found.top
    _say({
        "theta": dict(zip(setting.names, top.thresholds)), "reached": dict(zip(setting.names, top.reached)),
        "eval": top.evaluation, "vertices": len(found.tried), "lookups": found.lookups,
        "iterations": found.state.iteration, "picture": str(Path(options.folder) / "search.html"),
    }, options.json)  # fmt: skip


def data(options: argparse.Namespace) -> None:
    """Write the turns of daily_dialog as a prompts file."""
    turns = daily_dialog(options.source, options.split)
    text = "".join(json.dumps(turn.data, ensure_ascii=False) + "\n" for turn in turns)
    Path(options.out).write_text(text, encoding="utf-8")
    _say({"turns": len(turns), "file": options.out}, options.json)


# ---- what the options say --------------------------------------------------------------------------------------------


def _setting(options: argparse.Namespace) -> Setting:
    settings = {name: value for name in ("lr", "epochs", "minibatch") if (value := getattr(options, name)) is not None}
    if options.multiplier_lr is not None:
        settings["multiplier_lr"] = options.multiplier_lr
    every = {} if options.every is None else {"every": options.every}
    if options.tiny is not None:
        from guerdon.systems.constrained_rlhf.tiny import problem

        usual = {"multiplier_lr": TINY_MULTIPLIER_LR.get(getattr(options, "method", "xi-ppo"), 0.1)}
        return tiny_setting(problem(options.tiny), settings=usual | settings, **every)
    needed = {
        "--policy": options.policy,
        "--reward": options.reward,
        "--eval": options.eval,
        "--prompts": options.prompts,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ConfigError(
            "a policy, rewards, an evaluation and prompts", f"{', '.join(missing)} missing", "Or give --tiny 7"
        )
    rewards = {name: reward_named(place) for name, place in (_pair(each) for each in options.reward)}
    rows = read_prompts(options.prompts)
    held_out = read_prompts(options.held_out) if options.held_out else rows[-min(len(rows), 256) :]
    model = Model(
        source=options.policy, rank=options.lora, critic=options.critic, device=options.device,
        most_tokens=options.micro_tokens, checkpointing=options.checkpointing,
    )  # fmt: skip
    return text_setting(
        model, rewards, judge_named(options.eval), rows, held_out, most=options.most, top_p=options.top_p,
        longest=options.longest_prompt, seed=options.seed, batch=options.batch, settings=settings, **every,
    )  # fmt: skip


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not (name and found and value):
        raise ConfigError("name=value", f"got {text!r}", "Write for example intent=module:Intent")
    return name, value


def _numbers(text: str | None, names: Sequence[str]) -> tuple[float, ...]:
    """`a=0.6,b=0.62` in the order of the components, whatever order it has."""
    if not text:
        return ()
    found = dict(_pair(each.strip()) for each in text.split(","))
    odd = next((name for name in found if name not in names), None)
    if odd is not None or len(found) != len(names):
        raise ConfigError("a number for each component", f"got {text!r}", did_you_mean(odd or "", names))
    try:
        return tuple(float(found[name]) for name in names)
    except ValueError as error:
        raise ConfigError("numbers such as a=0.6,b=0.62", str(error), "Write them with a point") from None


def _say(found: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    for name, value in found.items():
        if isinstance(value, Mapping):
            for part, each in value.items():
                sys.stdout.write(f"{name} {part}: {_shown(each)}\n")
        else:
            sys.stdout.write(f"{name}: {_shown(value)}\n")


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guerdon constrained-rlhf", description=main.__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name: str, do: Callable[[argparse.Namespace], None], iterations: int) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=do.__doc__, description=do.__doc__)
        made.set_defaults(run=do)
        _shared(made, iterations)
        return made

    one = command("run", run, 100)
    one.add_argument("--method", choices=get_args(Method), default="xi-ppo")
    one.add_argument("--theta", help="thresholds, as a=0.6,b=0.62")
    one.add_argument("--weights", help="of the components, for ppo, ppo-no-kl and all-ppo; 1 each by default")
    two = command("proxy", proxy, 50)
    two.set_defaults(every=1)
    two.add_argument("--degree", type=int, default=10, help="of the polynomial; 3 for few points")
    two.add_argument("--density", type=float, help="points per unit below which the surface is hidden")
    three = command("search", search, 240)
    three.add_argument("--most-theta", help="largest thresholds of the first simplex, as a=1,b=1")
    four = commands.add_parser("data", help=data.__doc__, description=data.__doc__)
    four.set_defaults(run=data)
    four.add_argument("--source", default="daily_dialog", help="folder as released, JSON lines, or a name for datasets")
    four.add_argument("--split", default="train")
    four.add_argument("--out", required=True)
    four.add_argument("--json", action="store_true")
    return parser


def _shared(parser: argparse.ArgumentParser, iterations: int) -> None:
    add = parser.add_argument
    add("--tiny", type=int, metavar="SEED", help="the tiny text world with its own rewards, in place of a policy")
    add("--policy", help="folder or name of a causal language model")
    add("--reward", action="append", metavar="NAME=PLACE", help="a component by module:NAME or FILE.py; repeat it")
    add("--eval", metavar="PLACE", help="the true evaluation: a reward, or a function of responses and references")
    add("--prompts", help="JSON lines with prompt, and what rewards need to know")
    add("--held-out", help="prompts to evaluate on; by default the last 256 of the prompts")
    add("--folder", required=True, help="keeps the run: history, states, pictures; the same command goes on")
    add("--iterations", type=int, default=iterations, help="in all")
    add("--every", type=int, help="iterations between evaluations; 1 for proxy, else 5")
    add("--batch", type=int, default=128, help="answers of an iteration")
    add("--most", type=int, default=20, help="tokens of an answer at most")
    add("--longest-prompt", type=int, default=128, help="tokens of a prompt; its beginning is left out")
    add("--top-p", type=float, default=1.0)
    add("--lora", type=int, default=0, help="rank of an adapter; 0 trains all parameters")
    add("--critic", help="where the value function starts; the policy's source by default")
    add("--lr", type=float, help="of policy and critic; 1e-6 as published")
    add("--multiplier-lr", type=float)
    add("--epochs", type=int)
    add("--minibatch", type=int)
    add("--device", default="cpu")
    add("--micro-tokens", type=int, default=16_384)
    add("--checkpointing", action="store_true")
    add("--seed", type=int, default=0)
    add("--json", action="store_true")
