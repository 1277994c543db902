"""The puzzle format: what is read, what is refused and where the refusal points."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.systems.programming_puzzles.puzzle import (
    AnswerType,
    Puzzle,
    load_puzzles,
    parse_puzzles,
    save_puzzles,
    verifier_source,
)

ITEM: dict[str, Any] = {
    "name": "Fill:0",
    "sat": "def sat(x: List[int], n=3, words=['a', 'b']):\n    return len(x) == n and len(words) == 2",
    "ans_type": "List[int]",
    "sol_header": "def sol(n=3, words=['a', 'b']):",
    "sol_docstring": '    """Fill a list."""',
    "sol_bodies": ["    return [0] * n"],
    "module": "lists.py",
    "notes": "a hint",
    "weight": 0.5,
}

TYPES = [AnswerType(base, depth) for base in ("bool", "int", "float", "str") for depth in range(4)]


def item(**changes: Any) -> dict[str, Any]:
    return ITEM | changes


def text(*items: Any) -> str:
    return json.dumps(items, indent=1)


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in ITEM.items() if key != field}


def test_a_puzzle_tells_its_parts() -> None:
    (puzzle,) = parse_puzzles(text(ITEM))
    assert (puzzle.generator, puzzle.instance, puzzle.answer_name) == ("Fill", 0, "x")
    assert puzzle.answer_type == AnswerType("int", 1)
    assert puzzle.inputs == {"n": 3, "words": ["a", "b"]}


def test_inputs_are_fresh_objects_at_every_call() -> None:
    puzzle = Puzzle.from_json(ITEM)
    puzzle.inputs["words"].append("c")
    assert puzzle.inputs["words"] == ["a", "b"]


def test_a_solver_sees_neither_solutions_nor_notes() -> None:
    seen = Puzzle.from_json(ITEM).task_data()
    assert set(seen) == {"name", "sat", "ans_type", "sol_header", "sol_docstring", "module"}
    assert "hint" not in json.dumps(seen)
    assert "[0] * n" not in json.dumps(seen)


def test_verifier_and_reference_run_together() -> None:
    puzzle = Puzzle.from_json(ITEM)
    verifier: dict[str, Any] = {}
    solution: dict[str, Any] = {}
    exec(verifier_source(puzzle), verifier)
    exec(puzzle.solution_source(puzzle.sol_bodies[0]), solution)
    assert verifier["sat"](solution["sol"](**puzzle.inputs)) is True


@pytest.mark.parametrize("body", ["return [1] * n", "    return [1] * n", "x = [1]\nreturn x * n", "\nreturn [1] * n"])
def test_a_body_may_be_indented_or_not(body: str) -> None:
    space: dict[str, Any] = {}
    exec(Puzzle.from_json(ITEM).solution_source(body), space)
    assert space["sol"]() == [1, 1, 1]


MALFORMED = [
    ("", "starts with the end of the file"),
    ("{}", "must hold a JSON list"),
    ('"[]"', "must hold a JSON list"),
    ("[", "item 0 (line 1)"),
    ("[1]", "item 0 (line 1): A puzzle must be a JSON object: got 1"),
    (text(ITEM)[:-1], "item 0 (line 2) must be followed by a comma or ]: got the end of the file"),
    (text(ITEM).replace(",", "", 1), "line 4, column"),
    (text(ITEM)[:-1] + ",]", "item 1 (line 15) must be JSON"),
    (text(ITEM) + "\n[]", "must end after the list: got '[]' on line 16"),
    (text(ITEM) + "x", "must end after the list"),
    (text(ITEM, item(name="Fill:1")).replace("}", "},", 1), "item 1 (line 14) must be JSON"),
    (text(ITEM).replace("0.5", "NaN"), "item 0 (line 2): numbers must be finite: got NaN"),
    (text(ITEM).replace("0.5", "-Infinity"), "numbers must be finite: got -Infinity"),
    (text(ITEM).replace("0.5", "1e400"), "numbers must be finite: got '1e400'"),
    (text(ITEM).replace("0.5", "1" * 10**6), "item 0 (line 2) must hold short numbers"),
    (text(ITEM).replace("0.5", "1" * 4000), 'Field "weight"'),
    (text(ITEM).replace('"notes": ', '"name": "Fill:1", "notes": '), '"name" is given 2 times'),
    ("[" * 10**5, "item 0 (line 1) must be a plain object: it is nested far too deep"),
    (text(item(notes="x")).replace('"x"', "[" * 10**5), "nested far too deep"),
    (text(ITEM, ITEM), 'item 1 (line 15): field "name" must be unique: Fill:0 is also puzzles, item 0 (line 2)'),
    *((text(without(field)), f'item 0 (line 2): Field "{field}" is missing') for field in ITEM),
    (text(item(weigth=1)), "Did you mean weight?"),
    (text(item(name="Fill")), 'Field "name" must be Generator:number'),
    (text(item(name=7)), 'Field "name" must be a string: got 7'),
    (text(item(name="\ud800:1")), "lone surrogates"),
    (text(item(sat=None)), 'Field "sat" must be a string'),
    (text(item(sat="def sat(x: int:")), 'Field "sat" must be Python source'),
    (text(item(sat="def sat(x: int):\0")), 'Field "sat" must be Python source'),
    (text(item(sat="def sat(x: int, n=" + "[" * 5000 + "]" * 5000 + "): pass")), 'Field "sat"'),
    (text(item(sat="def sat(x: int, n=" + "-" * 90000 + "1): pass")), 'Field "sat"'),
    (text(item(sat="def sat(x: int, n=" + "9" * 5000 + "): pass")), 'Field "sat" must be Python source'),
    (text(item(sat="sat = 1")), "one undecorated function called sat"),
    (text(item(sat="import os\ndef sat(x: int): pass")), "one undecorated function called sat"),
    (text(item(sat="@print\ndef sat(x: int): pass")), "one undecorated function called sat"),
    (text(item(sat="async def sat(x: int): pass")), "one undecorated function called sat"),
    (text(item(sat="def f(x: int): pass")), "one undecorated function called sat"),
    (text(item(sat="def sat(): pass")), "a function of the answer and plain inputs"),
    (text(item(sat="def sat(x: int, *n): pass")), "a function of the answer and plain inputs"),
    (text(item(sat="def sat(x: int, *, n=1): pass")), "a function of the answer and plain inputs"),
    (text(item(sat="def sat(x: int = 1, n=2): pass")), "whose answer has no default"),
    (text(item(sat="def sat(x: int, n, m=2): pass")), "whose inputs all have defaults: got 'n'"),
    (text(item(sat="def sat(x: int, n=len): pass")), "whose input n is a literal"),
    (text(item(sat="def sat(x: int, n=[1, print()]): pass")), "whose input n is a literal"),
    (text(item(sat="def sat(x: int, n=1e999): pass")), "whose input n is a literal"),
    (text(item(sat="def sat(x: int, n=b'a'): pass")), "whose input n is a literal"),
    (text(item(sat="def sat(x: int, n={1}): pass")), "whose input n is a literal"),
    (text(item(sat="def sat(x, n=1): pass")), "got 'x without annotation'"),
    (text(item(sat="def sat(x: str, n=3, words=['a']): pass")), "annotated List[int], as ans_type says"),
    (text(item(ans_type="complex")), 'Field "ans_type"'),
    (text(item(ans_type="List[List[List[List[int]]]]")), 'Field "ans_type"'),
    (text(item(ans_type="List[int")), 'Field "ans_type"'),
    (text(item(sol_header="def sol(n=3):")), 'Field "sol_header"'),
    (text(item(sol_header="def sol(:")), 'Field "sol_header" must be Python source'),
    (text(item(sol_header="x = 1\nif x:")), 'Field "sol_header"'),
    (text(item(sol_bodies="    return 1")), 'Field "sol_bodies" must be a list of strings'),
    (text(item(sol_bodies=[1])), 'Field "sol_bodies" must be a list of strings'),
    (text(item(sol_bodies=["\udfff"])), 'Field "sol_bodies" must be text without'),
    (text(item(weight="1")), 'Field "weight"'),
    (text(item(weight=True)), 'Field "weight"'),
    (text(item(weight=-1)), 'Field "weight"'),
]


@pytest.mark.parametrize(("source", "message"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_text_is_refused_at_its_place(source: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_puzzles(source)
    assert message in str(caught.value)
    assert caught.value.do
    assert len(str(caught.value)) < 500


def test_a_refusal_points_at_the_line_of_its_item() -> None:
    names = [f"Fill:{number}" for number in range(5)]
    source = text(*(item(name=name) for name in names), item(name="Fill:5", weight=-1))
    with pytest.raises(ConfigError, match=r"item 5 \(line 67\)"):
        parse_puzzles(source)
    assert "Fill:5" in source.splitlines()[67]


@pytest.mark.parametrize("source", ["[]", " [ ] ", "[\r\n]\r\n"])
def test_an_empty_set_is_a_set(source: str) -> None:
    assert parse_puzzles(source) == []


def test_byte_order_mark_crlf_and_one_long_line_are_read(tmp_path: Path) -> None:
    path = tmp_path / "puzzles.json"
    for data in (
        text(ITEM).encode("utf-8-sig"),
        text(ITEM).replace("\n", "\r\n").encode(),
        json.dumps([ITEM]).encode(),
    ):
        path.write_bytes(data)
        assert load_puzzles(path) == [Puzzle.from_json(ITEM)]


@pytest.mark.parametrize("data", [text(ITEM).encode("utf-16"), b"[\xff]"])
def test_other_encodings_are_refused_by_name_of_the_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "puzzles.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"puzzles\.json must be UTF-8 text: byte \d+ is not UTF-8"):
        load_puzzles(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.json must be a readable file: No such file"):
        load_puzzles(tmp_path / "absent.json")


def test_a_backslash_in_a_source_is_no_warning() -> None:
    sat = "def sat(x: str, n=3, words=['a']):\n    return x == '\\d'"
    assert parse_puzzles(text(item(sat=sat, ans_type="str")))[0].answer_name == "x"


def test_input_order_of_the_header_is_free() -> None:
    assert Puzzle.from_json(item(sol_header="def sol(words=['a', 'b'], n=3):")).inputs["n"] == 3


def test_lowercase_list_annotation_means_the_same() -> None:
    assert Puzzle.from_json(item(sat=ITEM["sat"].replace("List[", "list["))).answer_type == AnswerType("int", 1)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "puzzles.json"
    path.write_text("old")

    def failing() -> Any:
        yield Puzzle.from_json(ITEM)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        save_puzzles(failing(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    notes=TEXTS,
    bodies=st.lists(TEXTS, max_size=3),
    weight=st.floats(0, 1e9),
    n=st.integers(-(10**30), 10**30),
    words=st.lists(TEXTS, max_size=4),
)
def test_puzzles_survive_the_json_round_trip(
    notes: str, bodies: list[str], weight: float, n: int, words: list[str]
) -> None:
    inputs = f"n={n}, words={words!r}"
    puzzle = dataclasses.replace(
        Puzzle.from_json(ITEM),
        sat=f"def sat(x: List[int], {inputs}):\n    return True",
        sol_header=f"def sol({inputs}):",
        notes=notes,
        sol_bodies=tuple(bodies),
        weight=weight,
    )
    assert parse_puzzles(json.dumps([puzzle.to_json()])) == [puzzle]
    assert puzzle.inputs == {"n": n, "words": words}


def values_of(kind: AnswerType) -> st.SearchStrategy[Any]:
    scalars: dict[str, st.SearchStrategy[Any]] = {
        "bool": st.booleans(),
        "int": st.integers(),
        "float": st.floats(),
        "str": st.text(),
    }
    strategy = scalars[kind.base]
    for _ in range(kind.depth):
        strategy = st.lists(strategy, max_size=3)
    return strategy


@given(st.data(), st.sampled_from(TYPES))
def test_values_of_a_type_pass_its_check(data: st.DataObject, kind: AnswerType) -> None:
    assert kind.check(data.draw(values_of(kind))) is None
    assert AnswerType.parse(str(kind)) == kind


def scalar_of(value: object) -> object:
    """A scalar inside a value, or None if its lists are empty."""
    while isinstance(value, list) and value:
        value = value[0]
    return None if isinstance(value, list) else value


@given(st.data(), st.sampled_from(TYPES), st.sampled_from(TYPES))
def test_values_of_another_type_fail_unless_they_hold_no_scalar(
    data: st.DataObject, kind: AnswerType, other: AnswerType
) -> None:
    value = data.draw(values_of(other))
    scalar = scalar_of(value)
    if scalar is not None and kind != other:
        assert kind.check(value) is not None


class Sly(list[int]):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None


@pytest.mark.parametrize(
    ("kind", "value", "fault"),
    [
        ("int", True, "expected int, got bool"),
        ("bool", 1, "expected bool, got int"),
        ("float", 1, "expected float, got int"),
        ("int", None, "expected int, got NoneType"),
        ("List[int]", (1,), "expected list, got tuple"),
        ("List[int]", [1, False], "at [1] expected int, got bool"),
        ("List[int]", Sly(), "expected list, got Sly"),
        ("List[List[str]]", [["a"], "b"], "at [1] expected list, got str"),
        ("List[List[List[int]]]", [[[1], [1.0]]], "at [0][1][0] expected int, got float"),
    ],
)
def test_a_wrong_type_is_told_with_its_place(kind: str, value: object, fault: str) -> None:
    assert AnswerType.parse(kind).check(value) == fault


@pytest.mark.parametrize("text", ["", "Int", "list", "List[]", "List[int]]", "List[ int]", "Dict[str, int]", " int"])
def test_other_answer_types_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="answer type"):
        AnswerType.parse(text)


def test_an_answer_type_of_depth_four_is_refused() -> None:
    with pytest.raises(ConfigError, match="depth 4"):
        AnswerType("int", 4)


@pytest.mark.skipif("GUERDON_P3" not in os.environ, reason="GUERDON_P3 names no puzzles.json")
def test_the_released_puzzles_load() -> None:
    puzzles = load_puzzles(os.environ["GUERDON_P3"])
    assert len(puzzles) > 100
    assert all(isinstance(puzzle.inputs, dict) for puzzle in puzzles)
