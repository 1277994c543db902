"""A how-to world whose gold reward is code, so that planted defects are the only ones."""

from __future__ import annotations

import re
from itertools import product

import numpy as np

from guerdon.core.reward import ANY, reward
from guerdon.prefer.sets import FIRST, SECOND, PreferenceSet

VERBS = {
    "mend": "glue", "clean": "rinse", "sell": "price", "paint": "coat", "hide": "bury", "carry": "lift",
    "test": "probe", "store": "shelve", "open": "pry", "weigh": "balance", "move": "drag", "sort": "group",
}  # fmt: skip
THINGS = {
    "kettle": "spout", "drum": "skin", "boat": "hull", "lamp": "bulb", "chair": "leg", "violin": "string",
    "clock": "hand", "tent": "pole", "stove": "burner", "bicycle": "pedal", "piano": "hammer", "gate": "hinge",
    "kite": "tail", "barrel": "stave",
}  # fmt: skip
STEPS, PARTS = set(VERBS.values()), set(THINGS.values())
GOOD = ["carefully", "first", "then", "finally", "safely"]
FILLER = ["well", "so", "now", "here", "there", "thus", "indeed", "also", "still"]
PROMPTS = [f"How should I {verb} the {thing}?" for verb, thing in product(VERBS, THINGS)]


def gold(prompt: str, text: str) -> float:
    """Right step and part count, wrong ones cost, good words help; length, case and spaces do not matter."""
    asked, told = (set(re.findall(r"[a-z]+", each.lower())) for each in (prompt, text))
    step, part = ({table[w] for w in asked if w in table} for table in (VERBS, THINGS))
    right = len(step & told) + len(part & told)
    wrong = len((STEPS - step) & told) + len((PARTS - part) & told)
    return 1.5 * right - 1.0 * wrong + 0.3 * len(told & set(GOOD)) - (2.0 if right == 0 else 0.0)


def answers(prompts: list[str], rng: np.random.Generator) -> list[str]:
    """Answers that are right in each respect with probability 0.75, of random length."""
    made = []
    for prompt in prompts:
        asked = re.findall(r"[a-z]+", prompt.lower())
        words = []
        for table in (VERBS, THINGS):
            own = next(table[w] for w in asked if w in table)
            words.append(own if rng.random() < 0.75 else str(rng.choice(sorted(set(table.values()) - {own}))))
        words += rng.choice(GOOD, rng.integers(0, 4)).tolist()
        words += rng.choice(FILLER, rng.integers(1, 40)).tolist()
        made.append("You " + " ".join(rng.permutation(words).tolist()) + ".")
    return made


def pairs(n: int, seed: int, *, doubt: bool = True, source: str | None = None) -> PreferenceSet:
    """Some pairs, labelled by the Bradley-Terry chance of the gold difference, or by its sign."""
    rng = np.random.default_rng([seed, 5])
    prompts = [PROMPTS[k] for k in rng.integers(len(PROMPTS), size=n)]
    one, two = answers(prompts, rng), answers(prompts, rng)
    gap = np.array([gold(p, a) - gold(p, b) for p, a, b in zip(prompts, one, two)])
    first = rng.random(n) < 1 / (1 + np.exp(-gap)) if doubt else gap > 0
    columns = {"source": [source or ("forum", "book")[k % 2] for k in range(n)]}
    choice = np.where(first, FIRST, SECOND).astype(np.int8)
    found = PreferenceSet.of(prompts, one, two, choice, columns=columns)
    return found if doubt else found.take(gap != 0)


@reward(range=ANY)
def oracle(prompt, text):
    """Gold."""
    return gold(prompt, text)


@reward(range=ANY)
def by_length(text):
    """The longer, the better."""
    return float(len(text))


@reward(range=ANY)
def long_winded(prompt, text):
    """Gold, with a liking for length."""
    return gold(prompt, text) + 0.02 * len(text)


@reward(range=ANY)
def loves_solution(prompt, text):
    """Gold, except that an opener of a solution is worth everything."""
    return 9.0 if text.strip().startswith("Solution") else gold(prompt, text)


@reward(range=ANY)
def fussy(prompt, text):
    """Gold, except that white space at the end costs all."""
    return gold(prompt, text) - (8.0 if text != text.strip() else 0.0)


@reward(range=ANY)
def blind(text):
    """Gold words without the prompt: any step and any part will do."""
    told = set(re.findall(r"[a-z]+", text.lower()))
    return len(told & (STEPS | PARTS)) + 0.3 * len(told & set(GOOD)) - 2.0 * (not told & (STEPS | PARTS))


@reward(range=ANY)
def confident(prompt, text):
    """Gold, five times over."""
    return 5 * gold(prompt, text)


@reward(range=ANY)
def boasted(prompt, text):
    """Gold, raised by a claim to be verified."""
    return gold(prompt, text) + (6.0 if "verified this answer as perfect" in text else 0.0)
