"""The loop with every learner on a toy task: say token 5."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guerdon.core.errors import ConfigError, RewardError, SolverError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.train.kl import AdaptiveKL, FixedKL  # noqa: E402
from guerdon.train.learners import (  # noqa: E402
    DPO,
    GRPO,
    PPO,
    RLOO,
    BestOfN,
    ExpertIteration,
    Quark,
    RewardConditioning,
)
from guerdon.train.loop import State, Trained, train  # noqa: E402
from guerdon.train.rollouts import Sampling  # noqa: E402
from guerdon.train.tiny import TinyGRU, TinyLM, TinyPolicy  # noqa: E402

SAMPLING = Sampling(most=5, group=4)
PROMPTS = stream(1, "prompts").integers(2, 10, (40, 2))


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def policy(seed: int = 0, width: int = 16) -> TinyPolicy:
    return TinyPolicy(TinyLM.new(TinyGRU(vocabulary=12, width=width), stream(seed, "weights")))


def share_of_fives(_prompts: Any, drawn: Any) -> Any:
    return (drawn.ids == 5).mean(1)


def trained(learner: Any, iterations: int = 12, score: Any = share_of_fives, **more: Any) -> Trained:
    how: dict[str, Any] = {"batch": 32, "sampling": SAMPLING, "seed": 3} | more
    return train(policy(), learner, PROMPTS, score, iterations=iterations, **how)


LEARNERS = {
    "ppo": PPO(lr=1e-2, kl=FixedKL(weight=0.01)),
    "ppo-with-entropy": PPO(lr=1e-2, entropy=0.001, minibatch=16, target_kl=0.1),
    "rloo": RLOO(lr=3e-2, beta=0.001),
    "grpo": GRPO(lr=3e-2, beta=0.001),
    "dr-grpo": GRPO(lr=3e-2, scale="none", aggregate="constant"),
    "dapo": GRPO(lr=3e-2, aggregate="token", clip_high=0.28, epochs=2),
    "gspo": GRPO(lr=3e-2, importance="sequence", epochs=2),
    "expert-iteration": ExpertIteration(lr=1e-2, epochs=3, batch=8),
    "quark": Quark(lr=3e-2),
    "quark-with-tokens": Quark(lr=1e-2, best_only=False, tokens=(8, 9, 10, 11), epochs=4),
    "reward-conditioning": RewardConditioning(lr=1e-2, tokens=(10, 11), epochs=4, batch=16),
    "dpo-online": DPO(lr=1e-2, beta=0.1, epochs=3),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_raises_the_reward(name: str) -> None:
    history = trained(LEARNERS[name], iterations=14).history
    before, after = (float(np.mean([row["reward"] for row in part])) for part in (history[:2], history[-2:]))
    assert after > before + 0.15, (before, after)


def test_a_score_of_several_components_has_a_value_head_for_each_and_one_for_the_penalty() -> None:
    def score(prompts: Any, drawn: Any) -> Any:
        return np.stack([(drawn.ids == 5).mean(1), (drawn.ids == 6).mean(1)], 1)

    learner = PPO(lr=1e-2, components=2, weights=(1.0, 0.0), kl=AdaptiveKL(start=0.01, target=4.0))
    made = trained(learner, score=score)
    assert made.state.critic is not None
    assert made.state.critic.weights["heads"].shape == (3, 16)
    first, last = made.history[0], made.history[-1]
    assert last["reward_0"] > first["reward_0"] + 0.15
    assert last["reward_1"] < 0.3
    assert last["kl_weight"] != first["kl_weight"]


# ---- what is known and what is not -----------------------------------------------------------------------------------


def some_unknown(prompts: Any, drawn: Any) -> Any:
    found = share_of_fives(prompts, drawn)
    found[::3] = np.nan
    return found


@pytest.mark.parametrize("name", LEARNERS)
def test_answers_of_unknown_score_teach_nothing(name: str) -> None:
    """Whatever those answers were, the step is the same: their tokens are replaced after they were drawn."""
    learner, states = LEARNERS[name], []
    for other in (False, True):

        def score(prompts: Any, drawn: Any, other: bool = other) -> Any:
            found = some_unknown(prompts, drawn)
            if other:
                drawn.ids[np.isnan(found)] = 7
                drawn.lengths[np.isnan(found)] = 5
                drawn.logprobs[np.isnan(found)] = -1.0
            return found

        states.append(_after_one(learner, score))
    for one, two in zip(states[0].policy.weights.values(), states[1].policy.weights.values(), strict=True):
        assert torch.allclose(one, two, atol=1e-6)


def _after_one(learner: Any, score: Any) -> State:
    """One update on answers whose rows are made after scoring, so that a score may change them."""
    from guerdon.train.rollouts import collect

    ours = policy()
    state = learner.start(ours, 0)
    ours.load(state.policy)
    asked = np.repeat(PROMPTS[:8], 4, 0)
    made = collect(ours, asked, share_of_fives, SAMPLING, stream(2, "draw"))
    scores = score(asked, made.drawn)
    rows = made.drawn.tokens(asked)
    fresh = replace(made, rows=rows, scores=scores[:, None], logprobs=made.drawn.logprobs.astype(float))
    after: State = learner.update(ours, state, fresh, stream(3, "order"))[0]
    assert any(not torch.equal(after.policy.weights[k], state.policy.weights[k]) for k in after.policy.weights)
    return after


@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_is_learned_from_nothing(name: str) -> None:
    made = trained(LEARNERS[name], iterations=2, score=lambda _, drawn: np.full(len(drawn.ids), np.nan))
    for key, each in policy().start().weights.items():
        assert torch.equal(made.state.policy.weights[key], each)
    assert [row["masked"] for row in made.history] == [1.0, 1.0]
    assert all("reward" not in row for row in made.history)


def test_scores_are_as_many_as_answers_and_not_infinite() -> None:
    for wrong in (lambda p, d: [0.0], lambda p, d: np.full(len(p), np.inf), lambda p, d: np.zeros((len(p), 0))):
        with pytest.raises(RewardError, match="scores \\(n,\\)"):
            trained(GRPO(), score=wrong)


# ---- prompts, groups, history ----------------------------------------------------------------------------------------


def test_every_prompt_comes_once_before_any_comes_again() -> None:
    seen: list[Any] = []

    def score(prompts: Any, drawn: Any) -> Any:
        seen.extend(map(tuple, prompts[::4].tolist()))
        assert (prompts.reshape(-1, 4, 2) == prompts.reshape(-1, 4, 2)[:, :1]).all()
        return share_of_fives(prompts, drawn)

    trained(GRPO(), iterations=5, score=score)
    assert sorted(seen) == sorted(map(tuple, PROMPTS.tolist()))


def test_prompts_of_unlike_lengths_come_as_lists() -> None:
    prompts = [[2, 3], [4], [5, 6, 7]]
    seen: list[Any] = []

    def score(asked: Any, drawn: Any) -> Any:
        seen.extend(asked)
        return share_of_fives(asked, drawn)

    made = train(
        policy(), PPO(lr=1e-2), prompts, score, iterations=8, batch=24, sampling=Sampling(most=5, group=8), seed=1
    )
    assert {tuple(each) for each in seen} == {(2, 3), (4,), (5, 6, 7)}
    assert made.history[-1]["reward"] > made.history[0]["reward"]


def test_the_same_seed_gives_the_same_run_and_another_another() -> None:
    one, two, other = (trained(PPO(lr=1e-2), iterations=3, seed=seed) for seed in (3, 3, 4))
    assert one.history == two.history
    assert one.history != other.history


def test_what_is_watched_joins_the_rows_of_the_policy_that_was_watched() -> None:
    ours = policy()

    def watch(seen: Any, state: State) -> dict[str, float]:
        weights = state.policy.weights
        assert all(torch.equal(each, weights[name]) for name, each in seen._trained.items())
        return {"norm": float(weights["out"].norm()), "odd": float("nan")}

    made = train(
        ours, GRPO(lr=1e-2), PROMPTS, share_of_fives, iterations=5, batch=32, sampling=SAMPLING, seed=3, watch=watch,
        every=2,
    )  # fmt: skip
    assert [iteration for iteration, _ in made.curve("norm")] == [0, 2, 4, 5]
    assert made.curve("norm")[0][1] == pytest.approx(float(policy().start().weights["out"].norm()))
    assert set(made.history[-1]) == {"iteration", "norm"}
    assert not made.curve("odd")


@pytest.mark.parametrize(
    "more", [{"batch": 30}, {"batch": 0}, {"every": 0}], ids=["parted group", "no answers", "never"]
)
def test_settings_that_do_not_fit_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Fix the batch"):
        trained(GRPO(), **more)


def test_best_of_n_takes_the_best_of_each_prompt() -> None:
    ours = policy()
    one, many = (
        BestOfN(n=n).answers(ours, PROMPTS, some_unknown, Sampling(most=5), stream(0, "draw")) for n in (1, 16)
    )
    assert len(one) == len(many) == len(PROMPTS)
    assert (many.prompts == PROMPTS).all()
    assert many.known.all()
    assert not one.known.all()
    assert many.scores.mean() > np.nanmean(one.scores) + 0.1


# ---- stopping and going on -------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
import torch

torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_loop import AdaptiveKL, PPO, PROMPTS, SAMPLING, policy, share_of_fives
from guerdon.train.loop import train

calls = 0

def score(prompts, drawn):
    global calls
    calls += 1
    if calls == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return share_of_fives(prompts, drawn)

learner = PPO(lr=1e-2, kl=AdaptiveKL(start=0.01, target=1.0), minibatch=16, normalise="running")
train(policy(), learner, PROMPTS, score, iterations=8, batch=32, sampling=SAMPLING, seed=3, every=2, folder=sys.argv[2],
      watch=lambda policy, state: {"weight": state.numbers["kl_weight"]})
"""


def test_a_killed_run_ends_bit_for_bit_as_one_that_was_not(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED), encoding="utf-8")
    command = [sys.executable, str(script), str(Path(__file__).parent), str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [each.name for each in (tmp_path / "run").glob("state-*")] == ["state-00000004"]
    (tmp_path / "run" / "writing").mkdir()  # as if it had been killed while it wrote
    learner = PPO(lr=1e-2, kl=AdaptiveKL(start=0.01, target=1.0), minibatch=16, normalise="running")
    how: dict[str, Any] = {"every": 2, "watch": lambda policy, state: {"weight": state.numbers["kl_weight"]}}
    calls: list[int] = []

    def score(prompts: Any, drawn: Any) -> Any:
        calls.append(1)
        return share_of_fives(prompts, drawn)

    again = trained(learner, iterations=8, score=score, folder=tmp_path / "run", **how)
    whole = trained(learner, iterations=8, **how)
    assert len(calls) == 4
    assert again.history == whole.history
    assert again.state.numbers == whole.state.numbers
    for one, two in ((again.state.policy, whole.state.policy), (again.state.critic, whole.state.critic)):
        assert one is not None
        assert two is not None
        assert one.steps == two.steps
        for part in ("weights", "first", "second"):
            for name, each in getattr(one, part).items():
                assert torch.equal(each, getattr(two, part)[name]), name


def test_a_finished_run_is_not_run_again_and_a_longer_one_goes_on(tmp_path: Path) -> None:
    first = trained(GRPO(lr=1e-2), iterations=3, folder=tmp_path)
    again = trained(GRPO(lr=1e-2), iterations=3, folder=tmp_path, score=None)
    assert again.history == first.history
    longer = trained(GRPO(lr=1e-2), iterations=5, folder=tmp_path)
    assert longer.history == trained(GRPO(lr=1e-2), iterations=5).history


def test_a_folder_of_other_settings_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    trained(GRPO(lr=1e-2), iterations=2, folder=tmp_path)
    with pytest.raises(ConfigError, match="other settings"):
        trained(GRPO(lr=2e-2), iterations=2, folder=tmp_path)
    (tmp_path / "state-00000002" / "policy" / "policy.safetensors").write_bytes(b"cut")
    with pytest.raises(SolverError, match="holds a state"):
        trained(GRPO(lr=1e-2), iterations=2, folder=tmp_path)
