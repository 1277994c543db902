from typing import Any

import pytest

from guerdon import reward
from guerdon.core.errors import ConfigError
from guerdon.prefer.formats import UnusableError
from guerdon.rlhf.scoring import cases_of, scored


@reward(range=(0, 100))
def length(text: str, bonus: float = 0.0) -> float | None:
    return None if text == "?" else len(text) + bonus


def test_every_shape_has_a_prompt_and_a_response() -> None:
    talk = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "abc"}]
    for row in (
        {"prompt": "q", "response": "abc"},
        {"prompt": "q", "completion": "abc"},
        {"question": "q", "answer": "abc"},
        {"instruction": "q", "output": "abc"},
        {"messages": talk},
    ):
        [(suffix, case)] = cases_of(row)
        assert (suffix, case.answer.content) == ("", "abc")
        assert case.task.data["prompt"] in ("q", talk[:1])
    [(_, alone)] = cases_of({"response": "abc"})
    assert alone.task.data["prompt"] == ""


def test_pairs_have_two_and_an_implicit_prompt_is_found() -> None:
    row = {"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
           "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]}  # fmt: skip
    (one, first), (two, second) = cases_of(row)
    assert (one, two) == ("_chosen", "_rejected")
    assert first.task.data["prompt"] == second.task.data["prompt"] == row["chosen"][:1]
    assert second.answer.content == row["rejected"][1:]
    assert [suffix for suffix, _ in cases_of({"prompt": "p", "first": "a", "second": "b"})] == ["_first", "_second"]


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"prompt": "p"},
        {"prompt": "p", "response": 3},
        {"prompt": 3, "response": "a"},
        {"messages": []},
        {"messages": [{"role": "user", "content": "q"}]},
        {"messages": "text"},
        {"chosen": "a", "rejected": None},
        {"prompt": [{"role": "user"}], "response": "a"},
    ],
)
def test_what_has_nothing_to_score_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(UnusableError):
        cases_of(row)
    with pytest.raises(ConfigError, match="rows, line 7: something to score"):
        list(scored(length, [(7, row)], source="rows"))


def test_rows_come_back_in_order_with_scores_and_what_is_unknown_is_none() -> None:
    rows = [{"prompt": "p", "response": "a" * k, "id": k} for k in (5, 1, 3)]
    rows += [{"prompt": "p", "response": "?"}, {"prompt": "p", "chosen": "ab", "rejected": "?", "bonus": 1.0}]
    for at_once in (1, 2, 100):
        found = list(scored(length, enumerate(rows, 1), at_once=at_once))
        assert [row.get("score") for row in found[:4]] == [5.0, 1.0, 3.0, None]
        assert found[0]["id"] == 5
        assert "not-applicable" in found[3]["fault"]
        assert (found[4]["score_chosen"], found[4]["score_rejected"]) == (3.0, None)
