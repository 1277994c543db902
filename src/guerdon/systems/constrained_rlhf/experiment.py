"""The claims: components can be held where they are good proxies, and the true evaluation is better for it.

World, step sizes, weights and thresholds were chosen on seeds 101 to 103; no claim was run on its own seeds before it
was written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.systems.constrained_rlhf.learners import CONSTRAINED, Method
from guerdon.systems.constrained_rlhf.runs import TINY_MULTIPLIER_LR, Course, Setting, tiny_setting
from guerdon.systems.constrained_rlhf.thresholds import ThresholdSearch
from guerdon.systems.constrained_rlhf.tiny import COMPONENTS, problem

PAPER = "arXiv 2310.04373"
OURS = "ours"
THETA = (0.6, 0.53)
"""The proxy point: top of a cubic surface over single-component runs of seeds 101 to 103."""
WEIGHTS = (0.5, 0.5)
"""Of PPO, PPO (no KL) and All-PPO: the best of four pairs for PPO on seeds 101 to 103."""
LONGER = 3
MOST = (0.9, 0.65)
"""Largest thresholds of the first simplex of NM-PPO."""

ARMS: Mapping[str, tuple[Method, float, bool]] = {
    # arm: method, factor of the thresholds, whether it goes on to three times the length
    "PPO (no KL)": ("ppo-no-kl", 1.0, True),
    "PPO": ("ppo", 1.0, True),
    "PPO-SAT": ("ppo-sat", 1.0, False),
    "mu-PPO": ("mu-ppo", 1.0, True),
    "All-PPO": ("all-ppo", 1.0, False),
    "xi-PPO": ("xi-ppo", 1.0, True),
    "xi-PPO, theta - 10 %": ("xi-ppo", 0.9, False),
    "xi-PPO, theta + 10 %": ("xi-ppo", 1.1, False),
}
ALONE = {f"{name} alone": i for i, name in enumerate(COMPONENTS)}


def above(name: str, treatment: str, control: str, statement: str, expected: str, **fields: Any) -> Claim:
    """A claim that an arm ends no lower than another."""
    how = {"measure": "eval", "at_least": 0.0, "source": PAPER, **fields}
    return Claim(name=name, statement=statement, treatment=treatment, control=control, expected=expected, **how)


@dataclass(frozen=True, kw_only=True)
class TinyText(Experiment):
    """All methods on the tiny text world."""

    length: int = 100
    """Iterations of a run."""

    name: ClassVar[str] = "tiny-text"
    summary: ClassVar[str] = (
        "A GRU that learned from careless demonstrations answers prompts of the tiny text world. Components are the "
        "share of on-topic words (rel) and how well neighbours go together (coh); the true evaluation saturates in "
        "both and loses by repetition and wrong length. All arms share policy, prompts, sampling and PPO; 96 answers "
        "an iteration. 'eval' is the mean over the last quarter of the evaluations on held-out prompts."
    )
    arms: ClassVar[tuple[str, ...]] = (*ALONE, *ARMS, "NM-PPO")
    modules: ClassVar[tuple[str, ...]] = (
        "guerdon.systems.constrained_rlhf", "guerdon.train.learners", "guerdon.train.loop", "guerdon.train.critic",
        "guerdon.train.tiny", "guerdon.train.tiny_nets", "guerdon.search.nelder_mead", "guerdon.worlds.tiny_text",
    )  # fmt: skip
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        *(
            Claim(
                name=f"{component}-overoptimised",
                statement=f"PPO on {component} alone ends at least 5 % below the peak of its true evaluation.",
                measure="fall",
                treatment=f"{component} alone",
                at_least=0.05,
                source=PAPER,
                expected=expected,
            )
            for component, expected in zip(COMPONENTS, ("0.30", "0.70"), strict=True)
        ),
        *(
            Claim(
                name=f"xi-holds-{component}",
                statement=f"xi-PPO holds {component} within 10 % of its threshold, averaged over the last quarter.",
                measure=f"off {component}",
                treatment="xi-PPO",
                at_most=0.1,
                source=PAPER,
                expected=expected,
            )
            for component, expected in zip(COMPONENTS, ("0.03", "0.02"), strict=True)
        ),
        *(
            Claim(
                name=f"xi-settles-{component}",
                statement=f"In xi-PPO the mean distance of {component} from its threshold is at most 10 % of it over "
                "the last quarter: it does not only swing around it.",
                measure=f"miss {component}",
                treatment="xi-PPO",
                at_most=0.1,
                source=OURS,
                expected=expected,
            )
            for component, expected in zip(COMPONENTS, ("0.08", "0.03"), strict=True)
        ),
        above("xi-above-no-kl", "xi-PPO", "PPO (no KL)", "xi-PPO ends above PPO (no KL).", "+0.15", every_seed=True),
        above("mu-above-no-kl", "mu-PPO", "PPO (no KL)", "mu-PPO ends above PPO (no KL).", "+0.15", every_seed=True),
        above(
            "xi-stays-longer",
            "xi-PPO",
            "PPO (no KL)",
            "Trained three times as long, xi-PPO loses less (or gains more) than PPO (no KL).",
            "+0.05",
            measure="change",
        ),
        above(
            "xi-above-no-kl-longer",
            "xi-PPO",
            "PPO (no KL)",
            "Trained three times as long, xi-PPO ends above PPO (no KL).",
            "+0.15",
            measure="eval, 3 x",
        ),
        AllOf(
            name="proxy-points-pay",
            statement="Single components are over-optimised; at the joint proxy point xi-PPO holds both, ends above "
            "PPO (no KL), and loses less when trained longer.",
            of=(
                *(f"{component}-overoptimised" for component in COMPONENTS),
                *(f"xi-holds-{component}" for component in COMPONENTS),
                "xi-above-no-kl",
                "xi-stays-longer",
            ),
            source=PAPER,
        ),
        above("xi-above-ppo", "xi-PPO", "PPO", "xi-PPO ends above PPO with an adaptive KL weight.", ""),
        above(
            "xi-above-ppo-longer",
            "xi-PPO",
            "PPO",
            "Trained three times as long, xi-PPO ends above PPO with an adaptive KL weight.",
            "",
            measure="eval, 3 x",
        ),
        above("mu-above-ppo", "mu-PPO", "PPO", "mu-PPO ends above PPO with an adaptive KL weight.", ""),
        above("xi-above-sat", "xi-PPO", "PPO-SAT", "xi-PPO ends above PPO-SAT.", ""),
        above("xi-above-all", "xi-PPO", "All-PPO", "xi-PPO ends above All-PPO.", ""),
        above("xi-above-mu", "xi-PPO", "mu-PPO", "xi-PPO ends no lower than mu-PPO.", ""),
        above(
            "lower-theta-lower",
            "xi-PPO",
            "xi-PPO, theta - 10 %",
            "Thresholds 10 % lower end lower.",
            "",
        ),
        above(
            "higher-theta-worse",
            "xi-PPO",
            "xi-PPO, theta + 10 %",
            "Thresholds 10 % higher end lower.",
            "",
        ),
        above(
            "search-comes-near",
            "NM-PPO",
            "xi-PPO",
            "One run of NM-PPO, as long as three of xi-PPO, finds a vertex within 5 % of what xi-PPO reaches at the "
            "proxy point.",
            "",
            compare="fraction",
            at_least=-0.05,
        ),
    )

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """From 11 on: 3 at desk scale, each of which trains for 1,500 iterations."""
        return tuple(range(11, {"smoke": 12, "desk": 14, "full": 21}[scale]))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """Train one arm and measure it."""
        smoke = scale == "smoke"
        posed = problem(seed, **({"demonstrations": 200, "epochs": 1} if smoke else {}))
        length = 4 if smoke else self.length
        if arm in ALONE:
            return alone(tiny_setting(posed, every=2), ALONE[arm], length)
        if arm == "NM-PPO":
            return searched(tiny_setting(posed, settings={"multiplier_lr": TINY_MULTIPLIER_LR["xi-ppo"]}), length)
        method, factor, longer = ARMS[arm]
        setting = tiny_setting(posed, settings={"multiplier_lr": TINY_MULTIPLIER_LR.get(method, 0.1)})
        return trained(setting, method, [factor * each for each in THETA], length, LONGER if longer else 1)


def trained(setting: Setting, method: Method, theta: list[float], length: int, times: int) -> dict[str, float | None]:
    """A run of a method, judged at its length and, if it goes on, after so many times its length."""
    made = setting.train(method, length * times, thresholds=theta, weights=WEIGHTS)
    whole = Course.of(made.history, setting.names)
    course = whole.until(length)
    found: dict[str, float | None] = {"eval": course.final, "kl": float(course.kl[-length // 4 :].mean())}
    for name, each in course.held(theta).items() if method in CONSTRAINED else ():
        found |= {f"off {name}": each.off, f"miss {name}": each.miss, f"overshoot {name}": each.overshoot}
        found |= {f"average {name}": each.average, f"swing {name}": each.swing}
    if times > 1:
        late = float(whole.evaluations[whole.at > length * (times - 0.25)].mean())
        found |= {f"eval, {times} x": late, "change": late - course.final}
    return found | curve(whole)


def alone(setting: Setting, which: int, length: int) -> dict[str, float | None]:
    """PPO (no KL) on one component: how far the evaluation falls from its peak, relative to it."""
    weights = [float(i == which) for i in range(len(setting.names))]
    course = Course.of(setting.train("ppo-no-kl", length, weights=weights).history, setting.names)
    best = int(course.evaluations.argmax())
    found: dict[str, float | None] = {"eval": course.final, "peak": course.peak, "start": float(course.evaluations[0])}
    found["fall"] = (course.peak - course.final) / abs(course.peak)
    found |= {f"{name} at the peak": float(course.held_out[best, i]) for i, name in enumerate(setting.names)}
    return found | curve(course)


def searched(setting: Setting, length: int) -> dict[str, float | None]:
    """NM-PPO: the best vertex."""
    found = ThresholdSearch(iterations=LONGER * length, most=MOST).run(setting)
    top = found.top
    theta = {f"theta {name}": each for name, each in zip(setting.names, top.thresholds, strict=True)}
    return {"eval": top.evaluation, "vertices": float(len(found.tried)), "lookups": float(found.lookups), **theta}


def curve(course: Course, points: int = 12) -> dict[str, float | None]:
    """The evaluation over the iterations, as measures that are drawn."""
    at = np.unique(np.linspace(0, len(course.at) - 1, points).round().astype(int))
    return {f"evaluation @ iteration = {course.at[k]}": float(course.evaluations[k]) for k in at}


EXPERIMENTS: tuple[Experiment, ...] = (TinyText(),)
