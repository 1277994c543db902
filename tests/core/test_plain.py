import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.plain import canonical, digest, not_plain

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_values_have_one_canonical_ascii_text(value: object) -> None:
    text = canonical(value)
    assert text.isascii()
    assert canonical(json.loads(text)) == text
    assert not_plain(value) is None


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, math.nan]}, "value.a[1] is nan"),
        ({"a": {"b": {1, 2}}}, "value.a.b is a set"),
        ({1: 2}, "key 1"),
        ([b"x"], "value[0] is a bytes"),
    ],
)
def test_what_is_not_plain_is_named(value: object, where: str) -> None:
    assert where in (not_plain(value) or "")


def test_canonical_says_where() -> None:
    with pytest.raises(ValueError, match=r"value\.a is inf"):
        canonical({"a": math.inf})


def test_bottomless_nesting_is_refused_not_fatal() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="deeper"):
        canonical(value)


def test_types_are_part_of_the_identity() -> None:
    assert len({digest(1), digest(1.0), digest(True), digest("1")}) == 4


def test_lone_surrogates_and_nul_round_trip() -> None:
    text = "a\x00b\ud800c\u202e"
    assert json.loads(canonical(text)) == text
