"""Items that people are to compare, and what is left of them in the end: the same on all sides."""

import hashlib
import json
import random

WORDS = ("answer", "because", "colour", "figure", "garden", "harbour", "light", "measure", "never", "people", "river")


def items(count):
    """So many answers of about 300 letters, four to a prompt.

    Returns:
        Objects with `id`, `prompt`, `content` and `system`, all texts.
    """
    rng = random.Random(12)
    made = []
    for number in range(count):
        if number % 4 == 0:
            prompt = f"Question {number // 4}: {' '.join(rng.choices(WORDS, k=12))}?"
        content = f"{' '.join(rng.choices(WORDS, k=rng.randint(20, 80)))}. “{number}”"
        made.append({"id": f"item-{number}", "prompt": prompt, "content": content, "system": f"system-{number % 4}"})
    return made


def seal(found):
    """How many items there are, and a digest of them all in the order of their ids."""
    lines = sorted(json.dumps([each[name] for name in ("id", "prompt", "content", "system")]) for each in found)
    return [len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()]
