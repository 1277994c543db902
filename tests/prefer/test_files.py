import gzip
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.core.score import Fault, FaultKind
from guerdon.prefer.files import export, margins_from, read, read_rows, write
from guerdon.prefer.formats import FORMATS
from guerdon.prefer.sets import FIRST, SECOND, TIE, UNKNOWN, PreferenceSet

USER = {"role": "user", "content": "Hi"}


def said(text):
    return {"role": "assistant", "content": text}


def lines(tmp_path, *rows):
    path = tmp_path / "set.jsonl"
    path.write_bytes(b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows))
    return path


# ---- each shape ------------------------------------------------------------------------------------------------------

HH = {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: What?"}
PUBLISHED = {
    "trl": (
        {"prompt": "Hi", "chosen": " yes", "rejected": " no", "margin": 0.5},
        ("Hi", " yes", " no", FIRST, 0.5),
    ),
    "trl, conversation": (
        {"prompt": [USER], "chosen": [said("a")], "rejected": [said("b")]},
        ([USER], [said("a")], [said("b")], FIRST, None),
    ),
    "trl, implicit text": (
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
        ("The sky is", " blue.", " green.", FIRST, None),
    ),
    "trl, implicit conversation": (
        {"chosen": [USER, said("a")], "rejected": [USER, said("b")]},
        ([USER], [said("a")], [said("b")], FIRST, None),
    ),
    "trl, binarized": (
        {"prompt": "Hi", "chosen": [USER, said("a")], "rejected": [USER, said("b")], "score_chosen": 8.0},
        ([USER], [said("a")], [said("b")], FIRST, None),
    ),
    "hh": (HH, ([USER], [said("Hello")], [said("What?")], FIRST, None)),
    "turns": (
        {"chosen": ["Hi", "a"], "rejected": ["Hi", "b"], "mean preference difference": -0.4},
        ([USER], [said("a")], [said("b")], FIRST, None),
    ),
    "alpaca-farm": (
        {"instruction": "Add", "input": "1 2", "output_1": "3", "output_2": "4", "preference": 2, "annotator": "gpt"},
        ("Add\n\n1 2", "3", "4", SECOND, None),
    ),
    "stack-exchange": (
        {"qid": 7, "question": "Why?", "response_j": "so", "response_k": "no"},
        ("Why?", "so", "no", FIRST, None),
    ),
    "ultrafeedback": (
        {"instruction": "Hi", "completions": [{"response": "a", "overall_score": 3.0, "model": "m"},
                                              {"response": "b", "overall_score": 7.5, "model": "n"}]},
        ("Hi", "a", "b", SECOND, 4.5),
    ),
    "guerdon": (
        {"prompt": "p", "first": "a", "second": "b", "choice": "tie", "margin": None, "lang": "en"},
        ("p", "a", "b", TIE, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_shapes_are_told_and_read(name, tmp_path):
    row, (prompt, first, second, choice, margin) = PUBLISHED[name]
    found = read(lines(tmp_path, row))
    assert found.format == name.split(",")[0]
    assert not found.dropped
    one = found.rows.row(0)
    assert (one["prompt"], one["first"], one["second"]) == (prompt, first, second)
    assert found.rows.choice.tolist() == [choice]
    assert one["margin"] == margin
    for field in ("score_chosen", "mean preference difference", "qid", "lang", "input"):
        if field in row:
            assert one[field] == row[field]


def test_every_shape_has_an_example():
    assert {name.split(",")[0] for name in PUBLISHED} | {"helpsteer"} == set(FORMATS)


def test_attributes_become_pairs_within_their_prompt_and_singles_are_told(tmp_path):
    rows = [
        {"prompt": p, "response": r, "helpfulness": h, "verbosity": v}
        for p, r, h, v in [("p", "a", 4, 1), ("q", "x", 2, 2), ("p", "b", 1, 3), ("p", "c", 4, 0), ("p", "b", 1, 3)]
    ]
    found = read(lines(tmp_path, *rows))
    pairs = {(row["first"], row["second"]): (row["choice"], row["margin"]) for row in found.rows.rows()}
    assert pairs[("a", "b")] == ("first", 3.0)
    assert pairs[("a", "c")] == ("tie", 0.0)
    assert pairs[("b", "c")] == ("second", 3.0)
    assert found.rows.columns["verbosity_first"][0] == 1
    assert [(each.line, each.reason) for each in found.dropped] == [
        (2, "has no other response to pair with"), (5, "is there twice; both are paired with the others")
    ]  # fmt: skip
    by_length = read(lines(tmp_path, *rows[0:3:2]), score="verbosity")
    assert by_length.rows.choice.tolist() == [SECOND]


def test_ties_and_missing_preferences_of_alpaca_farm(tmp_path):
    base = {"instruction": "i", "input": "", "output_1": "a", "output_2": "b"}
    found = read(lines(tmp_path, *({**base, "preference": p} for p in (1, 1.5, 0, None))))
    assert found.rows.choice.tolist() == [FIRST, TIE, TIE, UNKNOWN]
    assert found.rows.prompt == ["i"] * 4
    with pytest.raises(ConfigError, match=r"line 1.*preference is 3"):
        read(lines(tmp_path, {**base, "preference": 3}))


def test_strengths_become_margins(tmp_path):
    rows = [
        {"chosen": ["Hi", "a"], "rejected": ["Hi", "b"], "chosen score list": [1.0, 2.0],
         "mean preference difference": m, "std preference difference": 0.1}
        for m in (0.5, -2.0)
    ]  # fmt: skip
    found = read(lines(tmp_path, *rows)).rows
    assert found.columns["chosen score list"] == [[1.0, 2.0]] * 2
    assert margins_from(found, "mean preference difference", scale=2.0, cap=1.5).margin.tolist() == [1.0, -1.5]
    flipped = margins_from(found, "mean preference difference").flipped([False, True])
    assert flipped.margin.tolist() == [0.5, 2.0]
    with pytest.raises(ConfigError, match="Did you mean mean preference difference"):
        margins_from(found, "mean preference diff")


# ---- what is refused and what is dropped -----------------------------------------------------------------------------

GOOD = {"prompt": "p", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("bad", "said_"),
    [
        ({"prompt": "p", "chosen": "a"}, "rejected is missing"),
        ({"prompt": "p", "chosen": "a", "rejected": None}, "rejected is null"),
        ({"prompt": "p", "chosen": "a", "rejected": 3}, "rejected is a int"),
        ({"prompt": [], "chosen": "a", "rejected": "b"}, "prompt is an empty list"),
        ({"prompt": "p", "chosen": "a", "rejected": [said("b")]}, "rejected is text and chosen is messages"),
        ({"prompt": "p", "chosen": "a", "rejected": [{"role": "assistant"}]}, "not text or messages"),
        ({**GOOD, "margin": "big"}, "margin is a str"),
        ({**GOOD, "margin": True}, "margin is a bool"),
        ({**GOOD, "margin": 1e12}, "margin is beyond"),
        ([1], "row is a list"),
        (b'{"prompt": "p", "chosen": "a", "rejected": "b", "margin": NaN}\n', "holds NaN"),
        (b'{"prompt": "p", "chosen": "a", "rejected": "b", "margin": 1e400}\n', "margin is not finite"),
        (b'{"prompt": "p", "chosen": "a", "chosen": "c", "rejected": "b"}\n', "chosen is there twice"),
        (b'{"prompt": "p", \n', "not JSON at character"),
        (b'{"prompt": "p"} {"prompt": "p"}\n', "not JSON at character 17"),
        (b'{"prompt": "\xff"}\n', "not UTF-8"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n", "nested too deeply|is missing"),
        (b'{"prompt": "p", "chosen": "a", "rejected": "b", "margin": ' + b"9" * 6000 + b"}\n", "not JSON|not finite"),
    ],
)  # fmt: skip
def test_a_malformed_line_is_named_with_its_field(bad, said_, tmp_path):
    path = lines(tmp_path, GOOD, bad, {**GOOD, "prompt": "q"})
    with pytest.raises(ConfigError, match=f"set.jsonl, line 2.*({said_})"):
        read(path)
    found = read(path, strict=False)
    assert found.rows.prompt == ["p", "q"]
    assert found.read == 3
    assert [each.line for each in found.dropped] == [2]


def test_well_formed_rows_of_no_use_are_listed_and_not_refused(tmp_path):
    other = {"chosen": "\n\nHuman: Ho\n\nAssistant: Hello", "rejected": HH["rejected"]}
    same = {"chosen": HH["chosen"], "rejected": HH["chosen"]}
    found = read(lines(tmp_path, HH, other, b"\n", same))
    assert len(found.rows) == 1
    assert [(each.line, each.reason) for each in found.dropped] == [
        (2, "the conversations differ before their last turn"), (3, "is empty"), (4, "both responses are the same")
    ]  # fmt: skip
    assert found.reasons()["rejected both responses are the same"] == 1
    inside = read_rows([{"chosen": "abc", "rejected": "abcd"}])
    assert [each.reason for each in inside.dropped] == ["one response is the beginning of the other"]


@pytest.mark.parametrize(
    ("row", "said_"),
    [
        ({"chosen": "\n\nHuman: Hi", "rejected": "\n\nHuman: Ho"}, "chosen is not a transcript"),
        ({"chosen": ["a", "b", "c"], "rejected": ["a", "b"]}, "odd number"),
        ({"chosen": ["a"], "rejected": ["a", "b"]}, "two or more"),
        ({"instruction": "i", "completions": [{"response": "a", "overall_score": 1}, {"response": "b"}]},
         r"completions\[1\].overall_score is missing"),
        ({"instruction": "i", "completions": "none"}, "completions"),
        ({"prompt": "p", "first": "a", "second": "b", "choice": "best"}, "choice is 'best'"),
        ({"prompt": "p", "first": "a", "second": "b", "choice": []}, r"choice is \[\]"),
        ({"prompt": "p", "first": "a", "second": "b", "choice": "tie", "weight": -1}, "weight"),
        ({"prompt": "p", "first": "a", "second": "b", "choice": None, "fault": "x"}, "fault"),
        ({"chosen": "x", "rejected": "y"}, "no beginning in common"),
        ({"what": 1}, "a row of a known shape"),
        ({}, "a row of a known shape"),
    ],
)  # fmt: skip
def test_malformed_rows_of_other_shapes(row, said_):
    with pytest.raises(ConfigError, match=said_):
        read_rows([row])


HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.sampled_from(["", "a", "\n\nHuman: x\n\nAssistant: y", 10**400, -1, 2]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "response", "overall_score", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = [
    "prompt", "first", "second", "choice", "margin", "weight", "annotator", "fault", "chosen", "rejected", "input",
    "instruction", "output_1", "output_2", "preference", "question", "response_j", "response_k", "response",
    "helpfulness", "completions",
]  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(FORMATS)), st.lists(st.dictionaries(st.sampled_from(FIELDS), HOSTILE), max_size=3))
def test_no_row_is_too_strange_to_be_named(name, rows):
    found = read_rows(rows, name, strict=False)
    assert found.read == len(rows)
    assert {each.line for each in found.dropped} <= set(range(1, len(rows) + 1))
    assert len(list(found.rows.rows())) == len(found.rows)
    try:
        read_rows(rows, name)
    except ConfigError as error:
        assert "line" in str(error)  # noqa: PT017  # it may well be fine


def test_bom_crlf_and_a_missing_last_newline_are_fine(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(json.dumps({**GOOD, "prompt": p}).encode() for p in "pq"))
    assert read(path).rows.prompt == ["p", "q"]
    path.write_text(json.dumps(GOOD), encoding="utf-16")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read(path, "trl")
    with pytest.raises(ConfigError, match="readable file"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="Did you mean trl"):
        read(path, "tlr")
    path.write_bytes(b"")
    assert len(read(path).rows) == 0


def test_gzipped_lines_and_json_lists(tmp_path):
    zipped = tmp_path / "train.jsonl.gz"
    zipped.write_bytes(gzip.compress(json.dumps(HH).encode() + b"\n"))
    assert read(zipped).format == "hh"
    zipped.write_bytes(gzip.compress(json.dumps([GOOD] * 999).encode())[:-40])
    with pytest.raises(ConfigError, match="readable file"):
        read(zipped)
    listed = tmp_path / "pairs.json"
    listed.write_text(json.dumps([GOOD, {"prompt": "p"}, 3]))
    with pytest.raises(ConfigError, match=r"pairs.json, line 2.*chosen is missing"):
        read(listed)
    assert [each.line for each in read(listed, strict=False).dropped] == [2, 3]
    for text in ("{}", "[1,", "[NaN]"):
        listed.write_text(text)
        with pytest.raises(ConfigError, match="a JSON list"):
            read(listed)


# ---- writing ---------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
ROWS = st.lists(
    st.tuples(TEXTS, TEXTS, TEXTS, st.sampled_from(["first", "second", "tie", None]), st.floats(-5, 5)), max_size=12
)


def made(rows):
    n = len(rows)
    prompt, first, second, choice, margin = map(list, zip(*rows)) if rows else ([], [], [], [], [])
    fault = [Fault(FaultKind.TIMEOUT, "slow") if c is None else None for c in choice]
    return PreferenceSet.of(prompt, first, second, choice, margin=margin, annotator=["ann"] * n, fault=fault,
                            columns={"k": np.arange(n), "tree": [[1, 2]] * n})  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_nothing_is_lost_in_the_own_format(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("own") / "set.jsonl"
    one = made(rows)
    assert write(one, path) == ()
    two = read(path, "guerdon").rows
    assert list(two.rows()) == list(one.rows())
    assert sorted(each.name for each in path.parent.iterdir()) == ["set.jsonl"]


def test_halves_of_letters_are_written_as_question_marks(tmp_path):
    """JSON can hold them, UTF-8 and whoever trains cannot."""
    path = tmp_path / "set.jsonl"
    rows = PreferenceSet.of(["p\ud800"], ["one"], ["two"], ["first"])
    assert write(rows, path, "trl") == ()
    assert json.loads(path.read_text("utf-8"))["prompt"] == "p?"


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_trl_keeps_chosen_and_rejected_and_tells_the_rest(rows):
    one = made(rows)
    out, dropped = export(one, "trl")
    assert len(out) + len(dropped) == len(one)
    kept = one.take(one.decided)
    for row, told in zip(kept.rows(), out):
        assert told["chosen"] == row[row["choice"]]
        assert told["prompt"] == row["prompt"]
        assert told["margin"] == row["margin"]
    different = [row for row in out if row["chosen"] != row["rejected"]]
    assert len(read_rows(different, "trl").rows) == len(different)
    reasons = {each.reason for each in dropped}
    assert reasons <= {"is a tie", "is unknown: timeout (slow)"}


def test_conversations_and_implicit_prompts_go_there_and_back():
    one = PreferenceSet.of(["Hi"], [[said("a")]], ["b"], ["second"])
    (row,), _ = export(one, "trl")
    assert row == {"prompt": [USER], "chosen": [said("b")], "rejected": [said("a")]}
    (row,), _ = export(one, "trl-implicit")
    assert row == {"chosen": [USER, said("b")], "rejected": [USER, said("a")]}
    back = read_rows([row]).rows
    assert (back.prompt, back.first, back.second) == ([[USER]], [[said("b")]], [[said("a")]])


def test_margins_are_written_only_where_all_have_one():
    one = PreferenceSet.of(["p", "q"], ["a", "a"], ["b", "b"], ["first", "tie"], margin=[0.5, math.nan])
    assert export(one, "trl")[0][0]["margin"] == 0.5
    one = PreferenceSet.of(["p", "q"], ["a", "a"], ["b", "b"], ["first", "first"], margin=[0.5, math.nan])
    assert "margin" not in export(one, "trl")[0][0]


def test_alpaca_farm_there_and_back():
    row = {"instruction": "Add", "input": "1 2", "output_1": "3", "output_2": "4", "annotator": "g", "preference": 2}
    out, dropped = export(read_rows([row, {**row, "preference": 1.5}, {**row, "preference": None}]).rows, "alpaca-farm")
    assert out == [row, {**row, "preference": 1.5}]
    assert [(each.line, each.field) for each in dropped] == [(3, "choice")]
    talk = PreferenceSet.of([[USER]], ["a"], ["b"], ["first"])
    assert export(talk, "alpaca-farm")[1][0].reason == "is a conversation"


def test_further_columns_are_written_when_asked_for():
    one = made([("p", "a", "b", "first", 0.5)])
    assert export(one, "trl", columns=["k"])[0][0]["k"] == 0
    with pytest.raises(ConfigError, match="tree"):
        export(one, "trl", columns=["tre"])
    with pytest.raises(ConfigError, match="format to write"):
        export(one, "csv")


@pytest.mark.parametrize("format_", ["guerdon", "trl"])
@pytest.mark.parametrize("talk", [False, True])
def test_parquet_there_and_back(tmp_path, format_, talk):
    pytest.importorskip("pyarrow")
    one = PreferenceSet.of(
        [[USER]] * 2 if talk else ["p", "é"], [[said("a")]] * 2 if talk else ["a"] * 2,
        [[said("b")]] * 2 if talk else ["b"] * 2, ["first", "second"], margin=[0.5, 1.5],
        columns={"scores": [[1.0, 2.0], [3.0, 4.0]]},
    )  # fmt: skip
    path = tmp_path / "set.parquet"
    write(one, path, format_, columns=["scores"])
    two = read(path)
    assert two.format == format_
    same = two.rows if format_ == "guerdon" else two.rows.swapped([False, True])
    assert [row | {"scores": list(row["scores"])} for row in same.rows()] == list(one.rows())


def test_parquet_refuses_mixed_columns_and_leaves_the_old_file(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "set.parquet"
    write(PreferenceSet.of(["p"], ["a"], ["b"], ["first"]), path)
    before = path.read_bytes()
    mixed = PreferenceSet.of(["p", [USER]], ["a", "a"], ["b", "b"], ["first", "first"])
    with pytest.raises(ConfigError, match="one kind"):
        write(mixed, path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["set.parquet"]
    path.write_bytes(before[:-20])
    with pytest.raises(ConfigError, match="readable parquet"):
        read(path)


def test_a_hundred_thousand_lines(tmp_path):
    path = tmp_path / "set.jsonl"
    with path.open("w") as stream:
        stream.writelines(
            json.dumps({"prompt": f"p{k}", "chosen": "a", "rejected": f"b{k}"}) + "\n" for k in range(100_000)
        )
    found = read(path)
    assert len(found.rows) == 100_000
    assert found.rows.second[-1] == "b99999"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trl_and_datasets_take_what_is_written(tmp_path):
    datasets = pytest.importorskip("datasets")
    utils = pytest.importorskip("trl.data_utils")
    for talk in (False, True):
        prompt = [USER] if talk else "The sky is"
        sides = [([said(" blue")] if talk else " blue"), ([said(" green")] if talk else " green")]
        one = PreferenceSet.of([prompt] * 2, [sides[0]] * 2, [sides[1]] * 2, ["first", "second"])
        for implicit in (False, True):
            path = tmp_path / f"{talk}-{implicit}.jsonl"
            write(one, path, "trl-implicit" if implicit else "trl")
            row = datasets.Dataset.from_json(str(path))[1]
            assert utils.is_conversational(row) == talk
            explicit = utils.maybe_extract_prompt(row)
            assert (explicit["prompt"], explicit["chosen"], explicit["rejected"]) == (prompt, sides[1], sides[0])
            ours = read_rows([row]).rows.row(0)
            assert (ours["prompt"], ours["first"]) == (prompt, sides[1])
