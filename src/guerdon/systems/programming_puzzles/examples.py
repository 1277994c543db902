"""Five worked puzzles of our own that the medium and long prompts show before the new one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A puzzle and one of its solutions.

    Args:
        sat: source of the puzzle, `def sat(answer: TYPE, inputs...)`.
        header: first line of the solution, `def sol(inputs...):`.
        english: the statement in English.
        body: the indented rest of the solution.
    """

    sat: str
    header: str
    english: str
    body: str


EXAMPLES: tuple[Example, ...] = (
    Example(
        sat="def sat(s: str):\n"
        '    return s.startswith("tick") and s.endswith("tock") and s.count("-") == 3 and len(s) == 11',
        header="def sol():",
        english='Find a clock noise of 11 characters that starts with "tick", ends with "tock" and has three dashes.',
        body='    return "tick" + "-" * 3 + "tock"',
    ),
    Example(
        sat="def sat(year: int, after=2024, cycle=19, phase=7):\n"
        "    return after < year <= after + cycle and year % cycle == phase",
        header="def sol(after=2024, cycle=19, phase=7):",
        english="In which year after this one does a comet with the given cycle come by next?",
        body="    year = after + 1\n    while year % cycle != phase:\n        year += 1\n    return year",
    ),
    Example(
        sat="def sat(pair: List[str], names=['Ada', 'Bo', 'Cyrus', 'Dee', 'Emmanuel']):\n"
        "    a, b = pair\n"
        "    return a in names and b in names and len(b) == 4 * len(a) - 4",
        header="def sol(names=['Ada', 'Bo', 'Cyrus', 'Dee', 'Emmanuel']):",
        english="Find two of the names such that the second is four times as long as the first, less four letters.",
        body="    return next([a, b] for a in names for b in names if len(b) == 4 * len(a) - 4)",
    ),
    Example(
        sat="def sat(rows: List[List[int]], height=6):\n"
        "    assert len(rows) == height and rows[0] == [1]\n"
        "    return all(row[0] == row[-1] == 1 and row[1:-1] == [a + b for a, b in zip(above, above[1:])]\n"
        "               for above, row in zip(rows, rows[1:]))",
        header="def sol(height=6):",
        english="Build the triangle with ones along its sides in which every other number is the sum of the two above.",
        body="    def below(row):\n"
        "        return [1] + [a + b for a, b in zip(row, row[1:])] + [1]\n"
        "\n"
        "    rows = [[1]]\n"
        "    while len(rows) < height:\n"
        "        rows.append(below(rows[-1]))\n"
        "    return rows",
    ),
    Example(
        sat="def sat(x: float, low=3.0, high=3.5):\n    return low < x < high and (8 * x).is_integer()",
        header="def sol(low=3.0, high=3.5):",
        english="Find a number strictly between two marks of a ruler that is a whole number of eighths.",
        body="    for eighths in range(int(8 * low), int(8 * high) + 1):\n"
        "        if low < eighths / 8 < high:\n"
        "            return eighths / 8",
    ),
)
