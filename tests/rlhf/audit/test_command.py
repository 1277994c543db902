"""guerdon reward audit, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from guerdon.cli import reward_audit
from guerdon.core.errors import ConfigError
from guerdon.core.preference import Preference
from guerdon.core.reward import Reward

WORLD = '''
import re
from dataclasses import dataclass
from guerdon.core.preference import FunctionPreference
from guerdon.core.reward import ANY, Reward, reward

@reward(range=ANY)
def right(prompt, text):
    """The number that was asked for."""
    return 1.0 if text.strip().lower().startswith(re.findall(r"[0-9]+", prompt)[-1]) else 0.0

def length(text):
    return len(text)

@dataclass(frozen=True)
class Sized(Reward):
    most: int = 9
    range: tuple = ANY

    def judge(self, cases):
        return [float(min(len(case.answer.content), self.most)) for case in cases]

@dataclass(frozen=True)
class Needy(Reward):
    what: int

def made():
    return Sized(3)

judge = FunctionPreference(lambda pair: "left" if len(pair.left.content) > len(pair.right.content) else "right")
answer = 42

def policy(prompts, n, seed):
    return [[p.split()[-1] if k % 2 else "no" * k for k in range(n)] for p in prompts]

def encoder(texts):
    return [[1.0, len(text) / 10] for text in texts]
'''


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(WORLD)
    rows = [
        {"prompt": f"Write the number {k}", "chosen": f"{k}" + "!" * (k % 7), "rejected": f"{k + 1}" + "!" * (k % 5)}
        for k in range(100, 400)
    ]
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(*words):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("audit")(reward_audit.audit)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["audit", *map(str, words)])


def test_a_terminal_summary_says_what_to_do(world):
    result = run("mine.py:length", "--data", "pairs.jsonl")
    assert result.exit_code == 0, result.exception
    said = " ".join(result.output.split())
    assert said.startswith("length: 300 pairs, 300 prompts")
    assert "bad Length bias" in said
    assert "To do: " in said
    assert said.index("bad ") < said.index("not measured ")
    assert "Add --out PAGE.html" in said


def test_json_and_page_hold_the_same(world):
    result = run("mine.py:right", "-d", "pairs.jsonl", "--json", "--out", "a/page.html", "--seed", 5, "--skip", "calls")
    document = json.loads(result.output)
    assert document["format"] == "guerdon-reward-audit-1"
    assert document["data"]["source"] == "pairs.jsonl"
    assert document["seed"] == 5
    assert "calls" not in [each["probe"] for each in document["findings"]]
    page = Path("a/page.html").read_text()
    assert "Audit of right" in page
    told = {each["probe"]: each["verdict"] for each in document["findings"]}
    assert told["accuracy"] == told["exploits"] == told["length"] == "ok"


def test_a_check_fails_where_it_is_asked_to(world):
    assert run("mine.py:length", "-d", "pairs.jsonl", "--only", "length").exit_code == 0
    assert run("mine.py:length", "-d", "pairs.jsonl", "--only", "length", "--fail-on", "bad").exit_code == 1
    assert run("mine.py:right", "-d", "pairs.jsonl", "--only", "length", "--fail-on", "warn").exit_code == 0


def test_samples_history_policy_and_encoder_are_taken(world):
    rows = [{"iteration": k, "kl": k / 10, "reward": k, "gold": -abs(k - 30) + k % 3} for k in range(60)]
    Path("history.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = run(
        "mine.py:length", "-d", "pairs.jsonl", "--policy", "mine.py:policy", "--gold", "mine.py:right", "--history",
        "history.jsonl", "--encoder", "mine.py:encoder", "--trained-on", "pairs.jsonl", "--limit", 200, "--json",
    )  # fmt: skip
    found = {each["probe"]: each for each in json.loads(result.output)["findings"]}
    assert found["training"]["verdict"] == "bad"
    assert found["best-of-n"]["verdict"] in ("warn", "bad")
    assert "Contaminated" in found["lineage"]["why"]
    assert found["contrast"]["verdict"] != "ok"
    drawn = {"prompt": "Write the number 7", "answers": ["7", "8", "9", "10"], "gold": [1, 0, 0, 0]}
    Path("samples.jsonl").write_text("\n".join([json.dumps(drawn)] * 3))
    result = run("mine.py:right", "-d", "pairs.jsonl", "--samples", "samples.jsonl", "--only", "best-of-n", "--json")
    assert json.loads(result.output)["findings"][0]["verdict"] in ("ok", "warn")


def test_a_judge_of_pairs_has_a_position(world):
    result = run("mine.py:judge", "-d", "pairs.jsonl", "--only", "position", "--only", "batches", "--json")
    told = {each["probe"]: each["verdict"] for each in json.loads(result.output)["findings"]}
    assert told["batches"] == "not measured"
    assert told["position"] != "not measured"


def test_what_is_named_is_made_a_reward_or_refused(world):
    assert isinstance(reward_audit.subject_named("mine.py:length"), Reward)
    assert isinstance(reward_audit.subject_named("mine.py:right"), Reward)
    assert isinstance(reward_audit.subject_named("mine.py:judge"), Preference)
    assert reward_audit.subject_named("mine.py:Sized").most == 9
    assert reward_audit.subject_named("mine.py:made").most == 3
    for name in ("mine.py:Needy", "mine.py:answer", "mine.py:missing", "no.such.module:x", "nothing", "gone.py:x"):
        with pytest.raises(ConfigError):
            reward_audit.subject_named(name)
    for words in (["--gold", "mine.py:judge"], ["--only", "lenght"], ["--samples", "gone.jsonl"]):
        result = run("mine.py:length", "-d", "pairs.jsonl", *words)
        assert isinstance(result.exception, ConfigError)


def test_doubtful_pairs_are_written_to_be_labelled_again(world):
    rows = [json.loads(line) for line in Path("pairs.jsonl").read_text().splitlines()]
    told = [
        row | {"chosen score list": [1.0, 2.0], "rejected score list": [k * 0.02, 0.0]} for k, row in enumerate(rows)
    ]
    Path("told.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    run("mine.py:right", "-d", "told.jsonl", "--only", "strength", "--doubtful", "doubt.jsonl")
    found = [json.loads(line) for line in Path("doubt.jsonl").read_text().splitlines()]
    assert len(found) == 20
    assert found[0]["prompt"] == rows[-1]["prompt"]
    assert found[0]["mean preference difference"] < found[-1]["mean preference difference"]
