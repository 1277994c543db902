# mypy: disable-error-code="no-untyped-def"
"""The packaged puzzles and the rules for authors."""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from guerdon.core.errors import ConfigError
from guerdon.systems.programming_puzzles import generators
from guerdon.systems.programming_puzzles.generators import (
    LIBRARY,
    PACKAGED,
    Generator,
    build,
    failing_references,
    load_generators,
    packaged,
)
from guerdon.systems.programming_puzzles.puzzle import Puzzle, load_puzzles, save_puzzles, verifier_source

PUZZLES = packaged()

DOING_NOTHING: tuple[Any, ...] = (0, "", [], False, 0.0, None)


def satisfied(puzzle: Puzzle, answer: Any) -> bool:
    space: dict[str, Any] = {}
    exec(verifier_source(puzzle), space)
    try:
        return space["sat"](answer) is True
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return False


def test_the_packaged_set_is_a_fresh_build(tmp_path: Path) -> None:
    save_puzzles(build(load_generators(LIBRARY)), tmp_path / "puzzles.json")
    assert (tmp_path / "puzzles.json").read_bytes() == PACKAGED.read_bytes()


def test_the_set_is_wide() -> None:
    assert len({puzzle.generator for puzzle in PUZZLES}) >= 160
    assert len({puzzle.module for puzzle in PUZZLES}) >= 12
    assert len(PUZZLES) >= 400
    assert sum(puzzle.module == "ladder.py" for puzzle in PUZZLES) >= 36
    assert {puzzle.ans_type for puzzle in PUZZLES} >= {
        *("int", "str", "bool", "float"),
        *(f"List[{base}]" for base in ("int", "str", "bool", "float")),
        *("List[List[int]]", "List[List[str]]", "List[List[List[int]]]"),
    }


def test_every_puzzle_has_a_statement_and_a_reference_that_solves_it() -> None:
    assert failing_references(PUZZLES) == []
    for puzzle in PUZZLES:
        assert puzzle.sol_bodies, puzzle.name
        assert ast.literal_eval(puzzle.sol_docstring.strip()), puzzle.name
        assert puzzle.sol_docstring.strip() not in puzzle.sat, puzzle.name


def test_references_solve_the_instances_of_another_seed() -> None:
    assert failing_references(build(load_generators(LIBRARY), per_generator=3, seed=11)) == []


def test_no_two_puzzles_are_the_same() -> None:
    assert len({puzzle.sat for puzzle in PUZZLES}) == len(PUZZLES)


def test_weights_of_a_generator_add_up_to_one() -> None:
    weights: dict[str, float] = defaultdict(float)
    for puzzle in PUZZLES:
        weights[puzzle.generator] += puzzle.weight
    assert all(weight == pytest.approx(1.0) for weight in weights.values())


def test_doing_nothing_solves_no_puzzle_but_a_few_warm_ups() -> None:
    solved = {
        puzzle.name: puzzle.module
        for puzzle in PUZZLES
        for answer in DOING_NOTHING
        if puzzle.answer_type.check(answer) is None and satisfied(puzzle, answer)
    }
    assert set(solved.values()) <= {"basic.py"}
    assert len(solved) <= 5


def test_answers_to_one_generator_rarely_solve_another() -> None:
    """Guards against verifiers that accept nearly anything."""
    pool: dict[str, list[Any]] = defaultdict(list)
    for puzzle in PUZZLES:
        if puzzle.instance == 0:
            space: dict[str, Any] = {}
            exec(puzzle.solution_source(puzzle.sol_bodies[0]), space)
            pool[puzzle.ans_type].append(space["sol"](**puzzle.inputs))
    for puzzle in random.Random(0).sample(PUZZLES, 150):
        if puzzle.ans_type == "bool":
            continue
        answers = pool[puzzle.ans_type]
        hits = sum(satisfied(puzzle, answer) for answer in answers)
        assert hits <= max(3, len(answers) * 0.4), puzzle.name


class Countdown(Generator):
    """Used by the tests below."""

    weight = 2.0

    @staticmethod
    def sat(
        x: list[int],
        start=4,  # the first number
        words=["é", "b"],  # noqa: B006
    ):
        """Count down
        from the start.
        """
        # a comment stays
        assert len(words) > 1, "é"

        return x == list(range(start, 0, -1))

    @staticmethod
    def sol(start, words):
        """Not part of the body."""
        x = []
        while start > 0:
            x.append(start)
            start -= 1
        return x

    @staticmethod
    def sol2(words, start): return list(range(start, 0, -1))  # fmt: skip

    def gen(self, n: int) -> None:
        self.add(start=4, words=["é", "b"])
        self.add(start=7, words=["c", "d"])

    def gen_random(self) -> None:
        self.add(start=self.random.randrange(10, 14), words=["e", "f"])


def test_sources_are_taken_as_written() -> None:
    first, second, *_ = build([Countdown])
    assert first.name == "Countdown:0"
    assert first.module == "test_library.py"
    assert second.inputs == {"start": 7, "words": ["c", "d"]}
    assert second.sol_docstring == '    """Count down\n    from the start.\n    """'
    assert second.sat.startswith(
        "def sat(\n    x: list[int],\n    start=7,  # the first number\n    words=['c', 'd'],  # noqa: B006\n):"
    )
    assert "# a comment stays" in second.sat
    assert "Count down" not in second.sat
    assert second.sol_header == "def sol(start=7, words=['c', 'd']):"
    assert second.sol_bodies[0].startswith("    x = []\n    while")
    assert second.sol_bodies[1].strip().startswith("return list(range(start, 0, -1))")
    assert failing_references([first, second]) == []


def test_instances_are_distinct_and_share_the_weight() -> None:
    puzzles = build([Countdown], per_generator=50)
    assert len({puzzle.sat for puzzle in puzzles}) == len(puzzles) == 6
    assert sum(puzzle.weight for puzzle in puzzles) == pytest.approx(2.0)
    assert len(build([Countdown], per_generator=3)) == 3


def test_the_seed_fixes_the_set_and_stays_out_of_it() -> None:
    assert build([Countdown], seed=123456789) == build([Countdown], seed=123456789)
    random.seed(0)
    first = [build([Countdown], 4, seed) for seed in range(10)]
    random.seed(1)
    assert first == [build([Countdown], 4, seed) for seed in range(10)]
    assert any(puzzles != first[0] for puzzles in first)
    assert "123456789" not in str(build([Countdown], seed=123456789))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"start": 1.5, "words": ["a"]},
            "Input start of Countdown must be plain JSON of one type: got both int and float",
        ),
        ({"start": True, "words": ["a"]}, "got both int and bool"),
        ({"start": 1, "words": [1]}, "Input words of Countdown"),
        ({"start": 1, "words": ["a", 1]}, "got both str and int"),
        ({"start": 1, "words": ("a",)}, "got tuple"),
        ({"start": 1, "words": {1: 2}}, "got a dict with keys that are not strings"),
        ({"start": None, "words": ["a"]}, "got NoneType"),
        ({"start": 1}, "Countdown takes the inputs ['start', 'words']: got ['start']"),
        ({"start": 1, "words": [], "more": 1}, "got ['more', 'start', 'words']"),
    ],
)
def test_inputs_of_another_type_are_refused(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Countdown().add(**inputs)
    assert message in str(caught.value)


def test_an_empty_list_fits_any_list() -> None:
    generator = Countdown()
    generator.add(start=1, words=[])
    generator.add(start=1, words=["a"])
    assert len(generator.instances) == 3


def write(folder: Path, source: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text("from guerdon.systems.programming_puzzles.generators import Generator\n" + source)
    return path


MODULE = """
class Six(Generator):
    @staticmethod
    def sat(n: int, a=6):
        '''Say six.'''
        return n == a

    @staticmethod
    def sol(a):
        return a
"""


def test_a_module_or_folder_of_generators_is_a_puzzle_set(tmp_path: Path) -> None:
    path = write(tmp_path, MODULE)
    write(tmp_path, MODULE.replace("Six", "Seven").replace("6", "7"), "other.py")
    write(tmp_path, "raise RuntimeError", "_private.py")
    assert [puzzle.name for puzzle in load_puzzles(path)] == ["Six:0"]
    assert [puzzle.name for puzzle in load_puzzles(tmp_path)] == ["Six:0", "Seven:0"]


BROKEN = [
    (MODULE + MODULE.replace("a=6", "a=5").replace("class Six", "class Six_(Generator): pass\nclass Six"), "Six_.sat"),
    ("1 / 0", "must be importable: ZeroDivisionError"),
    ("x = 1", "must define puzzle generators: found none"),
    (MODULE.replace("    @staticmethod\n", "", 1), "Six.sat must be a static method"),
    (MODULE.replace("a=6", "a=None"), "Input a of Six must be plain JSON"),
    (MODULE.replace("a=6", "a=print"), "Six.sat must have literal defaults"),
    (MODULE.replace("a=6", "a"), "Six.sat takes an answer and inputs with defaults"),
    (MODULE.replace("sol(a)", "sol(b)"), "A solution takes the inputs ['a']: Six.sol takes ['b']"),
    (MODULE.replace("n: int", "n"), 'Field "ans_type"'),
    ("class Six(Generator):\n    sat = staticmethod(lambda n, a=6: n == a)", "Six.sat must be a plain function"),
    (f"exec({MODULE!r})", "Six.sat must have its source in a file"),
]


@pytest.mark.parametrize(("source", "message"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_module_is_refused_with_the_place(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_puzzles(write(tmp_path, source))
    assert message in str(caught.value)


def test_a_missing_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.py must be a Python module"):
        load_generators(tmp_path / "none.py")


def test_generators_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, MODULE)
    write(tmp_path, MODULE, "other.py")
    with pytest.raises(ConfigError, match="Six is in mine and in other"):
        load_puzzles(tmp_path)


def test_no_instances_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one instance: got 0"):
        build([Countdown], per_generator=0)


def test_the_command_builds_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert generators.main(["build", str(out), str(write(tmp_path, MODULE))]) == 0
    assert [puzzle.name for puzzle in load_puzzles(out)] == ["Six:0"]
    assert "1 puzzles of 1 generators" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("return a + 1", "sat returned False"),
        ("return 6.0", "expected int, got float"),
        ("return 1 // 0", "ZeroDivision"),
    ],
)
def test_the_command_refuses_references_that_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str, fault: str
) -> None:
    out = tmp_path / "out.json"
    path = write(tmp_path, MODULE.replace("return a", wrong))
    assert generators.main(["build", str(out), str(path)]) == 1
    assert f"Six:0, solution 0: {fault}" in capsys.readouterr().err
    assert not out.exists()
