"""Annotating and comparing models from the command line, with scripted models as annotators."""

import json

import pytest

from guerdon.core.errors import ConfigError
from guerdon.lm import Scripted
from guerdon.prefer.agreement import pool_quality
from guerdon.systems.alpaca_farm import commands
from guerdon.systems.alpaca_farm.commands import _named, main
from guerdon.systems.alpaca_farm.data import Instruction, write_outputs
from guerdon.systems.alpaca_farm.evaluate import annotate, boards_agree, evaluate, quality
from guerdon.systems.alpaca_farm.pools import pool

ASKED = [Instruction(f"task {k}", dataset="self-instruct") for k in range(40)]
calls = []


def prefers_good(prompt, rng, index) -> str:
    calls.append(prompt)
    head, _, tail = prompt.partition("response B")
    return "Verdict: A" if "good" in head or "bad" in tail else "Verdict: B"


@pytest.fixture
def files(tmp_path):
    calls.clear()
    write_outputs(tmp_path / "ref.json", ASKED, ["fair"] * 40, "reference")
    for name, good in (("strong", 30), ("even", 20), ("weak", 5)):
        texts = ["good and long"] * good + ["fair"] * 4 + ["bad"] * (36 - good)
        write_outputs(tmp_path / f"{name}.json", ASKED, texts, name)
    return tmp_path


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr(commands, "open_model", lambda spec: Scripted(prefers_good))


def arguments(folder, *more: str) -> list[str]:
    outputs = [str(folder / f"{name}.json") for name in ("weak", "strong", "even")]
    cache = ["--cache", str(folder / "cache.sqlite"), "--model", "scripted:echo"]
    return ["evaluate", *outputs, "--reference", str(folder / "ref.json"), *cache, *more]


def test_a_leaderboard_counts_wins_losses_and_draws(files) -> None:
    annotators = pool("default", {"": Scripted(prefers_good)})
    found = evaluate([files / "weak.json", files / "strong.json"], files / "ref.json", annotators)
    assert [entry.name for entry in found] == ["strong", "weak"]
    rate = found[0].compared.rate
    assert (rate.n_wins, rate.n_draws, rate.n_wins_base, rate.n_total) == (30, 4, 6, 40)
    assert rate.win_rate == pytest.approx(100 * 32 / 40)
    assert rate.avg_length > rate.base_length == 4


def test_the_command_prints_lengths_and_writes_annotations(files, scripted, capsys) -> None:
    main(arguments(files, "--annotations", str(files / "told"), "--board", str(files / "board.json")))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["model", "strong", "even", "weak"]
    assert "length-controlled" in lines[0]
    rows = json.loads((files / "told" / "weak.json").read_text())
    assert rows[0]["generator_1"] == "reference"
    assert rows[0]["preference"] == 2
    assert [row["preference"] for row in rows].count(1.5) == 4
    board = json.loads((files / "board.json").read_text())
    assert board["strong"]["n_total"] == 40
    assert len(board["strong"]["points"]) == 40


def test_a_second_run_asks_nothing(files, scripted, capsys) -> None:
    main(arguments(files))
    asked, first = len(calls), capsys.readouterr().out
    main(arguments(files))
    assert len(calls) == asked > 0
    assert capsys.readouterr().out == first


def test_two_leaderboards_are_correlated(files, scripted, capsys) -> None:
    main(arguments(files, "--board", str(files / "one.json")))
    main(arguments(files, "--board", str(files / "two.json"), "--seed", "3"))
    assert boards_agree(files / "one.json", files / "two.json").spearman == pytest.approx(1.0)
    main(["correlate", str(files / "one.json"), str(files / "two.json")])
    assert "spearman 1" in capsys.readouterr().out
    (files / "bad.json").write_text("[]")
    with pytest.raises(ConfigError):
        boards_agree(files / "bad.json", files / "two.json")


def test_labels_of_a_coin_cost_no_call_and_missing_answers_are_dropped(files, scripted, capsys) -> None:
    rows = [{"instruction": f"i {k}", "input": "", "output_1": "good", "output_2": "bad"} for k in range(200)]
    (files / "pairs.json").write_text(json.dumps(rows))
    cache = ["--cache", str(files / "cache.sqlite"), "--model", "scripted:echo"]
    main(["annotate", str(files / "pairs.json"), "--output", str(files / "out.json"), *cache])
    labelled = json.loads((files / "out.json").read_text())
    assert len(labelled) == 200
    assert 60 < len(calls) < 140
    assert 0.65 < sum(row["preference"] == 1 for row in labelled) / 200 < 0.85
    assert "labelled" in capsys.readouterr().out
    silent = annotate(rows[:50], pool("default", {"": Scripted("off-menu")}))
    assert (silent.rows, silent.dropped) == ([], 50)


def test_samples_are_paired_and_what_has_a_label_keeps_it(files, scripted) -> None:
    rows = [{"instruction": f"i {k}", "input": "", "output": ["good", "bad"]} for k in range(6)]
    (files / "samples.json").write_text(json.dumps(rows))
    cache = ["--cache", str(files / "cache.sqlite"), "--model", "scripted:echo", "--noise", "0"]
    main(["annotate", str(files / "samples.json"), "--output", str(files / "out.json"), *cache])
    labelled = json.loads((files / "out.json").read_text())
    assert [row["preference"] for row in labelled] == [1] * 6
    again = annotate([{**labelled[0], "preference": 2}], pool("default", {"": Scripted(prefers_good)}))
    assert again.rows[0]["preference"] == 2


def test_a_model_that_did_not_answer_all_is_refused(files, scripted, capsys) -> None:
    write_outputs(files / "weak.json", ASKED[:3], ["x"] * 3, "weak")
    with pytest.raises(SystemExit):
        main(arguments(files))
    assert "lacks 37 of 40" in capsys.readouterr().err


def test_names_of_models_are_told_from_addresses() -> None:
    assert _named("gpt-4-0314=http://host:1/v1#id") == ("gpt-4-0314", "http://host:1/v1#id")
    assert _named("http://host:1/v1?a=b#id") == ("", "http://host:1/v1?a=b#id")


def test_a_pool_is_held_against_people_on_the_pairs_of_both(tmp_path, capsys) -> None:
    def rows(labels, names, turned=False):
        return [
            {
                "instruction": f"i {k}",
                "output_1": "b" if turned else "a",
                "output_2": "a" if turned else "b",
                "annotator": name,
                "preference": 3 - label if turned else label,
            }
            for k, line in enumerate(labels)
            for name, label in zip(names, line, strict=True)
        ]

    people = [[1, 1, 1, 2], [2, 2, 2, 2], [1, 1, 2, 1], [2, 2, 1, 2]]
    pool_says = [[1, 1], [2, 1], [1, 2], [2, 2]]
    (tmp_path / "people.json").write_text(json.dumps(rows(people, "abcd", turned=True)))
    (tmp_path / "pool.json").write_text(
        json.dumps([*rows(pool_says, "xy"), {**rows([[1]], "z")[0], "instruction": "?"}])
    )
    found = quality(rows(pool_says, "xy"), rows(people, "abcd", turned=True))
    assert found == pool_quality(pool_says, people)
    assert found.agreement == pytest.approx(6 / 8)
    main(["quality", str(tmp_path / "pool.json"), str(tmp_path / "people.json")])
    assert "agreement 0.75" in capsys.readouterr().out
    with pytest.raises(ConfigError):
        quality(rows(pool_says, "xy"), [{**rows([[1]], "z")[0], "instruction": "?"}])


def test_the_greedy_simulator_is_one_prompt_at_temperature_0() -> None:
    found = pool("greedy", {"": Scripted(prefers_good)})
    assert [member.name for member in found.members] == ["plain"]
    assert found.noise == 0.0


def test_a_hostile_name_leaves_neither_the_folder_nor_marks_on_the_terminal(files, scripted, capsys) -> None:
    write_outputs(files / "weak.json", ASKED, ["x"] * 40, "../../evil\x1b[31m")
    main(arguments(files, "--annotations", str(files / "told")))
    assert "\x1b" not in capsys.readouterr().out
    assert sorted(path.name for path in (files / "told").iterdir()) == ["even.json", "evil-31m.json", "strong.json"]
