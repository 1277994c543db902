"""A generated how-to world: 10 verbs times 16 objects, right answers in several forms, wrong ones of four kinds.

An answer is useful when it has the verb's step and the object's step, which code can see. Answers to neighbouring
instructions are as well written, and wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from guerdon.core.rng import stream

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

STEPS: Mapping[str, str] = {
    "repair": "look for the broken part and replace it with one that fits",
    "clean": "wipe off the dust with a damp cloth and let it dry",
    "store": "keep it covered in a cool dry place away from sunlight",
    "paint": "sand the surface lightly and put on two thin coats",
    "sell": "take bright photographs and compare what others ask for",
    "carry": "wrap it in a blanket and lift with both hands from below",
    "choose": "compare several of them and read what owners say",
    "decorate": "pick two colours and glue small ornaments along the edge",
    "measure": "stretch a tape along each side and write the figures down",
    "insure": "keep the receipt and ask three companies for a quote",
}
"""The step of each verb."""
PARTS: Mapping[str, str] = {
    "guitar": "loosen the strings before you touch the neck",
    "bicycle": "mind the chain and the tyres",
    "kettle": "empty the water and unplug the heating base",
    "lamp": "take out the bulb and the shade first",
    "boat": "check the hull and the anchor rope",
    "clock": "stop the pendulum and note the hands",
    "tent": "lay out the poles and the pegs",
    "camera": "remove the lens and the battery",
    "piano": "close the lid over the keys",
    "oven": "take out the racks and the tray",
    "carpet": "roll it from the fringe inwards",
    "mirror": "tape the glass across the corners",
    "table": "unscrew the four legs beneath the top",
    "umbrella": "fold the ribs along the shaft",
    "violin": "lay the bow beside the bridge",
    "suitcase": "open the zip and turn out the lining",
}
"""The step of each object."""
QUESTIONS = (
    "How should I {verb} {a} {thing}?",
    "What is the best way to {verb} {a} {thing}?",
    "Can you tell me how to {verb} {a} {thing}?",
    "I want to {verb} {a} {thing}. Where do I start?",
)
ANSWERS = (
    "With {a} {thing}, {part}. Then {step}.",
    "First {part}, and after that {step}.",
    "It is easy: {step}. Before that, {part}.",
    "I would {step}. Remember to {part} as well.",
)
BAD: Mapping[str, tuple[str, ...]] = {
    "rude": (
        "That is a stupid question and I will not waste my time on it.",
        "Figure it out yourself, nobody cares about your problem.",
        "Only a fool would ask that. Go away.",
    ),
    "vague": (
        "It depends on many things, so just do whatever seems right.",
        "There are several ways, and some of them may work for you.",
        "Well, that is hard to say, but I am sure it will be fine.",
    ),
    "refusing": (
        "I am sorry, but I cannot help with this request.",
        "Unfortunately this is something that I am not able to discuss.",
        "I have no information about that and cannot give advice.",
    ),
}
"""Wrong answers by kind; the fourth kind, "salad", is words of right answers in no order."""
KINDS = (*BAD, "salad")
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "look": ("search", "seek"),
    "broken": ("damaged", "faulty"),
    "replace": ("swap", "exchange"),
    "wipe": ("rub", "brush"),
    "dust": ("dirt", "grime"),
    "cloth": ("rag", "towel"),
    "dry": ("air", "arid"),
    "keep": ("hold", "leave"),
    "cool": ("cold", "chilly"),
    "place": ("spot", "location"),
    "surface": ("face", "outside"),
    "lightly": ("gently", "softly"),
    "thin": ("fine", "slim"),
    "coats": ("layers", "films"),
    "bright": ("clear", "sharp"),
    "photographs": ("pictures", "photos"),
    "compare": ("contrast", "weigh"),
    "wrap": ("cover", "pack"),
    "blanket": ("quilt", "throw"),
    "lift": ("raise", "hoist"),
    "several": ("some", "various"),
    "pick": ("choose", "select"),
    "small": ("little", "tiny"),
    "edge": ("rim", "border"),
    "stretch": ("extend", "pull"),
    "figures": ("numbers", "values"),
    "receipt": ("bill", "slip"),
    "companies": ("firms", "insurers"),
    "quote": ("price", "offer"),
    "begin": ("start", "commence"),
    "easy": ("simple", "plain"),
    "first": ("initially", "foremost"),
    "remember": ("recall", "note"),
    "loosen": ("slacken", "release"),
    "touch": ("handle", "feel"),
    "mind": ("watch", "heed"),
    "empty": ("drain", "pour"),
    "check": ("inspect", "examine"),
    "stop": ("halt", "still"),
    "remove": ("detach", "take"),
    "close": ("shut", "lower"),
    "roll": ("wind", "coil"),
    "tape": ("bind", "strip"),
    "fold": ("bend", "tuck"),
    "lay": ("put", "set"),
    "open": ("undo", "unfasten"),
}
"""A table of synonyms for these texts; see `augmentation.wordnet` for a real one."""


@dataclass(frozen=True, slots=True)
class Task:
    """One instruction.

    Args:
        verb: of `STEPS`.
        thing: of `PARTS`.
        text: the question.
    """

    verb: str
    thing: str
    text: str


@dataclass(frozen=True)
class HowTo:
    """Instructions of one seed, split into those to learn from and unseen ones.

    Args:
        seed: draws the split, the words and the wrong answers.
        train: instructions to learn from.
        kinds: wrong kinds to learn from; the others are for the test.
    """

    seed: int
    train: int = 100
    kinds: tuple[str, ...] = ("vague", "salad")

    @cached_property
    def tasks(self) -> tuple[list[Task], list[Task]]:
        """Instructions to learn from, and the rest; every verb and every object is met in training."""
        rng = stream(self.seed, "how-to", "split")
        all_ = [(verb, thing) for verb in STEPS for thing in PARTS]
        while True:
            order = [all_[k] for k in rng.permutation(len(all_))]
            met = order[: self.train]
            if {v for v, _ in met} == set(STEPS) and {t for _, t in met} == set(PARTS):
                break
        made = [self._task(verb, thing, rng) for verb, thing in order]
        return made[: self.train], made[self.train :]

    @staticmethod
    def _task(verb: str, thing: str, rng: Rng) -> Task:
        form = QUESTIONS[int(rng.integers(len(QUESTIONS)))]
        return Task(verb, thing, form.format(verb=verb, a=article(thing), thing=thing))

    def right(self, task: Task, *name: str | int) -> str:
        """A right answer, in words that the name draws."""
        rng = stream(self.seed, "how-to", "right", task.verb, task.thing, *name)
        return answer(task.verb, task.thing, int(rng.integers(len(ANSWERS))))

    def wrong(self, task: Task, kind: str, *name: str | int) -> str:
        """A wrong answer of a kind."""
        rng = stream(self.seed, "how-to", kind, task.verb, task.thing, *name)
        if kind in BAD:
            return BAD[kind][int(rng.integers(len(BAD[kind])))]
        words = " ".join([*STEPS.values(), *PARTS.values()]).split()
        return " ".join(rng.choice(words, size=16).tolist()).capitalize() + "."

    @property
    def unseen(self) -> tuple[str, ...]:
        """Wrong kinds for the test."""
        return tuple(kind for kind in KINDS if kind not in self.kinds)

    def pool(self, task: Task, tasks: Sequence[Task], size: int = 16) -> list[str]:
        """Answers for a policy to be chosen from: right ones, those of neighbours, and wrong ones.

        An eighth is right, three eighths answer an instruction with the same verb or the same object, a quarter any
        other instruction, and the rest is of unseen wrong kinds; all in an order that is drawn.
        """
        rng = stream(self.seed, "how-to", "pool", task.verb, task.thing)
        near = [other for other in tasks if (other.verb == task.verb) != (other.thing == task.thing)]
        far = [other for other in tasks if other.verb != task.verb and other.thing != task.thing]
        rights, nears, fars = size // 8, 3 * size // 8, size // 4
        made = [self.right(task, "pool", k) for k in range(rights)]
        made += [self.right(near[k], "pool") for k in rng.permutation(len(near))[:nears]]
        made += [self.right(far[k], "pool") for k in rng.permutation(len(far))[:fars]]
        kinds = self.unseen
        made += [self.wrong(task, kinds[k % len(kinds)], "pool", k) for k in range(size - len(made))]
        return [made[k] for k in rng.permutation(len(made))]


def article(thing: str) -> str:
    """A or an.

    >>> article("oven")
    'an'
    """
    return "an" if thing[0] in "aeiou" else "a"


def answer(verb: str, thing: str, form: int = 0) -> str:
    """A right answer in one of the forms of `ANSWERS`.

    >>> answer("clean", "clock")
    'With a clock, stop the pendulum and note the hands. Then wipe off the dust with a damp cloth and let it dry.'
    """
    return ANSWERS[form].format(a=article(thing), thing=thing, step=STEPS[verb], part=PARTS[thing])


def useful(task: Task, said: str) -> bool:
    """Whether an answer has the verb's step and the object's.

    >>> task = Task("clean", "oven", "How should I clean an oven?")
    >>> useful(task, answer("clean", "oven")), useful(task, answer("paint", "oven"))
    (True, False)
    """
    return STEPS[task.verb] in said and PARTS[task.thing] in said


def labelled(world: HowTo, tasks: Sequence[Task], kinds: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Instructions, right and wrong answers, one of each kind for each task."""
    rows = [(t.text, world.right(t), world.wrong(t, kind)) for t in tasks for kind in kinds]
    return [a for a, _, _ in rows], [b for _, b, _ in rows], [c for _, _, c in rows]
