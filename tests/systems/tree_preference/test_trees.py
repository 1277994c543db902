"""Trees of texts, their cuts, pairs, costs, and the journal that keeps them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.core.errors import ConfigError, ProviderError
from guerdon.core.preference import FunctionPreference, Pair
from guerdon.core.rng import stream
from guerdon.prefer.files import read as read_preferences
from guerdon.systems.tree_preference import journal
from guerdon.systems.tree_preference.collect import as_set, compare, cost
from guerdon.systems.tree_preference.command import Collection, main
from guerdon.systems.tree_preference.generators import FromModel, Scripted
from guerdon.systems.tree_preference.shapes import Shape, leaf_paths, pairs_of
from guerdon.systems.tree_preference.trees import Node, Tree, cut, grow

WORDS = ("red", "blue", "green", "black", "white", "grey", "pink", "brown")


def babble(prompt: str, prefix: str, temperature: float, rng: Any) -> str:
    """Twelve words in all."""
    said = len(prefix.split())
    more = " ".join(WORDS[k] for k in rng.integers(len(WORDS), size=12 - said))
    return f" {more}" if prefix and more else more


def longer(pair: Pair) -> Any:
    left, right = (len(str(side.content)) for side in (pair.left, pair.right))
    return "left" if left > right else "right" if right > left else "tie"


LONGER = FunctionPreference(longer)


def test_a_full_tree_has_its_leaves_and_shares_its_prefixes() -> None:
    (tree,) = grow(Scripted(babble), ["p"], ["p/0"], Shape(), 1)
    assert set(tree.leaves) == set(leaf_paths(Shape()))
    assert all(len(text.split()) == 12 for text in tree.leaves.values())
    for path in ("0", "1.0", "0.1"):
        below = [text for name, text in tree.leaves.items() if name.startswith(path)]
        assert len(below) > 1
        assert all(text.startswith(tree.nodes[path].text + " ") for text in below)
    assert [len(tree.nodes[path].text.split()) for path in ("0", "0.0")] == pytest.approx([4, 8], abs=1)


def test_nothing_is_sampled_in_vain() -> None:
    (tree,) = grow(Scripted(babble), ["p"], ["p/0"], Shape(), 2)
    assert tree.tries == 0
    assert tree.sampled / 12 == pytest.approx(Shape().generated, rel=0.1)


def test_siblings_that_coincide_are_tried_at_rising_temperatures_and_then_left_out() -> None:
    asked: list[float] = []

    def cold(prompt: str, prefix: str, temperature: float, rng: Any) -> str:
        asked.append(temperature)
        return "one two three" if temperature < 0.95 else f"{WORDS[int(rng.integers(8))]} two three"

    (tree,) = grow(Scripted(cold), ["p"], ["p/0"], Shape(breadth=(2,), pairs=1), 1)
    assert len(tree.leaves) == 2
    assert asked[:4] == [0.7, 0.7, 0.8, 0.9]
    (alone,) = grow(Scripted(lambda *_: "always this"), ["p"], ["p/0"], Shape(breadth=(3,), pairs=1), 1)
    assert list(alone.leaves) == ["0"]
    assert alone.tries == 2 * 7


def test_equal_leaves_of_different_parents_are_one() -> None:
    tree = Tree("x", "p")
    for path, text, whole in (("0", "a", False), ("1", "a b", False), ("0.0", "a b c", True), ("1.0", "a b c", True)):
        tree.nodes[path] = Node(path, text, None, whole)
    assert tree.leaves == {"0.0": "a b c"}
    assert tree.responses == {"0.0": "a b c", "0": "a", "1": "a b"}
    assert tree.shared("0.0", "1.0") == ""
    assert tree.shared("0", "0.0") == "a"


def test_a_silent_generator_is_an_error_and_one_silent_prompt_is_not() -> None:
    with pytest.raises(ProviderError):
        grow(Scripted(lambda *_: None), ["p"], ["x"], Shape(), 1)
    some = Scripted(lambda prompt, prefix, t, rng: None if prompt == "q" else babble(prompt, prefix, t, rng))
    trees = grow(some, ["p", "q"], ["x", "y"], Shape(), 1)
    assert [len(tree.leaves) for tree in trees] == [8, 0]


@pytest.mark.parametrize(
    ("text", "share", "above", "expected"),
    [
        ("First one. Second one here. Third.", 1 / 3, 0, "First one."),
        ("First one. Second one here. Third.", 2 / 3, 10, "First one. Second one here."),
        ("a line\nanother line\nlast", 1 / 3, 0, "a line"),
        ("no stop but, a comma and words", 1 / 3, 0, "no stop but,"),
        ("plain words only go on here", 0.5, 0, "plain words"),
        ("1.5 is no end. of it", 0.6, 0, "1.5 is no end."),
        ("ends here.\n", 0.5, 0, "ends"),
    ],
)
def test_cuts_are_at_the_nearest_separator(text: str, share: float, above: int, expected: str) -> None:
    at = cut(text, share, above)
    assert at is not None
    assert text[:at] == expected


def test_cuts_lie_beyond_what_is_there() -> None:
    assert cut("One. Two. Three", 1 / 3, above=9) is None
    assert cut("word", 0.5) is None


def test_pairs_are_uniform_over_leaf_pairs() -> None:
    paths = leaf_paths(Shape())
    seen = Counter(pair for k in range(3000) for pair in pairs_of(paths, 1, stream(k, "pairs")))
    assert len(seen) == 28
    assert max(seen.values()) < 160
    assert len(pairs_of(paths, 99, stream(0, "pairs"))) == 28


def test_no_node_meets_its_own_beginning() -> None:
    assert pairs_of(["0", "0.1", "0.10", "1"], 9, stream(0, "p")) != []
    told = {frozenset(pair) for pair in pairs_of(["0", "0.1", "0.10", "1"], 9, stream(0, "p"))}
    assert frozenset(("0", "0.1")) not in told
    assert frozenset(("0.1", "0.10")) in told


def test_the_chosen_side_comes_first_with_its_path() -> None:
    trees = grow(Scripted(babble), ["p", "q"], ["p/0", "q/0"], Shape(pairs=28), 3)
    told = compare(Scripted(babble), trees, Shape(pairs=28), LONGER, 3)
    rows = as_set(told)
    decided = np.flatnonzero(rows.decided)
    assert len(decided) > 20
    for k in decided.tolist():
        tree = next(tree for tree in trees if tree.id == rows.columns["tree_id"][k])
        assert tree.nodes[rows.columns["path_a"][k]].text == rows.first[k]
        assert tree.nodes[rows.columns["path_b"][k]].text == rows.second[k]
        assert len(rows.first[k]) > len(rows.second[k])
        shared = tree.shared(rows.columns["path_a"][k], rows.columns["path_b"][k])
        assert rows.columns["lcp_tokens"][k] == len(shared.split())
        assert str(rows.first[k]).startswith(shared)
        assert str(rows.second[k]).startswith(shared)


def test_a_tree_costs_nineteen_per_cent_less_to_read() -> None:
    shape = Shape(pairs=28)
    trees = grow(Scripted(babble), [str(k) for k in range(40)], [f"{k}/0" for k in range(40)], shape, 5)
    found = cost(compare(Scripted(babble), trees, shape, LONGER, 5), trees)
    assert found.apart / found.whole == pytest.approx(1 - 4 / 21, abs=0.02)
    assert found.once / found.whole == pytest.approx(1 - 2 / 21, abs=0.01)
    alone = Shape.chain(2)
    trees = grow(Scripted(babble), ["a", "b"], ["a/0", "b/0"], alone, 5)
    found = cost(compare(Scripted(babble), trees, alone, LONGER, 5), trees)
    assert found.apart == found.whole == 24.0


def test_incomplete_responses_are_compared_only_when_asked_for() -> None:
    trees = grow(Scripted(babble), ["p"], ["p/0"], Shape(), 1)
    for inner in (False, True):
        told = compare(Scripted(babble), trees, Shape(pairs=99, inner=inner), LONGER, 1)
        whole = [trees[0].nodes[path].whole for each in told for path in (each.a, each.b)]
        assert all(whole) is not inner


# ---- clients of language models --------------------------------------------------------------------------------------


def test_a_client_continues_the_prefix_as_text_or_as_the_assistants_turn() -> None:
    from guerdon.lm import Message
    from guerdon.lm import Scripted as Model

    asked: list[Any] = []

    def script(prompt: Any, rng: Any, index: int) -> str:
        asked.append(prompt)
        return " and more"

    text = FromModel(Model(script), template="Q: {prompt}\nA:")
    assert text(["why"], [" so"], 1.0, 0) == [" and more"]
    chat = FromModel(Model(script), chat=True)
    assert chat(["why", "how"], ["", "so"], 1.0, 0) == [" and more"] * 2
    assert asked == [
        "Q: why\nA: so",
        (Message("user", "why"),),
        (Message("user", "how"), Message("assistant", "so")),
    ]
    assert text.count(["one two"]) == [2]


def test_a_prefix_that_a_server_repeats_is_taken_off_and_a_fault_is_nothing() -> None:
    from guerdon.core.score import Fault
    from guerdon.lm import Scripted as Model

    echo = FromModel(Model("echo"), template="{prompt}", chat=True)
    assert echo(["x"], ["so far"], 1.0, 0) == [""]
    broken = FromModel(Model(lambda *_: Fault("provider", "down")), template="{prompt}")
    assert broken(["x"], [""], 1.0, 0) == [None]


def test_other_seeds_give_siblings_other_texts() -> None:
    from guerdon.lm import Scripted as Model

    model = Model(lambda prompt, rng, index: " ".join(WORDS[k] for k in rng.integers(8, size=9)))
    (tree,) = grow(FromModel(model, template="{prompt}: "), ["p"], ["p/0"], Shape(), 1)
    assert len(tree.leaves) == 8


# ---- the journal -----------------------------------------------------------------------------------------------------


def collection(shape: Shape | None = None, seed: int = 1, generate: Any = None) -> Collection:
    asked = [(f"prompt {k}", None) for k in range(7)]
    return Collection(
        asked=asked,
        generate=generate or Scripted(babble),
        preference=LONGER,
        shape=shape or Shape(),
        seed=seed,
        settings={"model": "babble"},
        at_once=3,
    )


class StopError(Exception):
    """What kills a collection in a test."""


@pytest.mark.parametrize("shape", [Shape(), Shape.chain(2)], ids=["tree", "chain"])
def test_a_collection_that_was_killed_ends_as_one_that_was_not(shape: Shape, tmp_path: Path) -> None:
    collection(shape).run(tmp_path / "whole.jsonl")
    calls = iter(range(12 if shape.depth == 3 else 5))

    def dying(*given: Any) -> str:
        if given[0] == "prompt 0" and next(calls, None) is None:
            raise StopError
        if given[0] == "prompt 3" and given[1] == "":
            raise StopError
        return babble(*given)

    with pytest.raises(StopError):
        collection(shape, generate=Scripted(dying)).run(tmp_path / "killed.jsonl")
    path = tmp_path / "killed.jsonl.trees"
    path.write_bytes(path.read_bytes()[:-40])  # and the last line was cut off
    collection(shape).run(tmp_path / "killed.jsonl")
    for name in ("{}.jsonl", "{}.jsonl.trees"):
        one, two = (sorted((tmp_path / name.format(each)).read_text().splitlines()) for each in ("whole", "killed"))
        assert one == two


def test_the_file_is_read_as_preferences_with_its_topology(tmp_path: Path) -> None:
    told, trees = collection().run(tmp_path / "p.jsonl")
    found = read_preferences(tmp_path / "p.jsonl")
    assert found.format == "trl"
    assert not found.dropped
    assert set(found.rows.columns) == {"tree_id", "path_a", "path_b", "lcp_tokens"}
    assert len(found.rows) == sum(each.choice.outcome != "tie" for each in told)
    _, again, same = journal.read(tmp_path / "p.jsonl.trees")
    assert [tree.leaves for tree in again] == [tree.leaves for tree in trees]
    assert same == told


def test_other_settings_and_a_second_writer_are_refused(tmp_path: Path) -> None:
    collection().run(tmp_path / "p.jsonl")
    with pytest.raises(ConfigError, match="other settings"):
        collection(seed=2).run(tmp_path / "p.jsonl")
    with journal.Journal(tmp_path / "x", {}), pytest.raises(ConfigError, match="nobody else"):
        journal.Journal(tmp_path / "x", {})


def test_a_journal_that_is_broken_inside_is_named_by_line(tmp_path: Path) -> None:
    collection().run(tmp_path / "p.jsonl")
    path = tmp_path / "p.jsonl.trees"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:50], *lines[2:]]) + "\n")
    with pytest.raises(ConfigError, match="line 2"):
        journal.read(path)


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_checks_answers_and_reports_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"question": f"What is {k} + {k}?", "answer": f"It is.\n#### {2 * k}"} for k in (1, 2, 3)]
    (tmp_path / "gsm.jsonl").write_text("\n".join(map(json.dumps, rows)))
    reward = tmp_path / "longest.py"
    lines = (
        "from guerdon.core.reward import reward",
        "@reward(range=(0, 9))",
        "def longest(text): return 9 * (len(text) > 20)",
    )
    reward.write_text("\n".join(lines))
    out = str(tmp_path / "p.jsonl")
    given = ["collect", "--prompts", str(tmp_path / "gsm.jsonl"), "--model", "scripted:truncate", "--out", out]
    main([*given, "--judge", f"reward:{reward}", "--template", r"{prompt}\nLet me think about it step by step: "])
    shown = capsys.readouterr().out
    assert "3 trees" in shown
    main(["report", out + ".trees"])
    assert "tokens a comparison" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        main([*given, "--judge", "gold:x"])
    assert left.value.code == 2
    assert "gold:1" in capsys.readouterr().err


def test_pairs_without_a_judge_are_left_open(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one two three four five six seven eight\n")
    out = tmp_path / "open.jsonl"
    given = ["collect", "--prompts", str(tmp_path / "p.txt"), "--judge", "none", "--out", str(out)]
    main([*given, "--model", "scripted:truncate", "--template", "{prompt}", "--limit", "1", "--pairs", "1"])
    assert out.exists()


def test_the_regimes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["regimes", "--types", "10"])
    assert len(capsys.readouterr().out.splitlines()) == 6
