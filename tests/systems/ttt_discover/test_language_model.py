"""A language model in the loop: capped sampling, one training step, whole runs, and taking them up again."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

from guerdon.bench.run import run  # noqa: E402
from guerdon.core.errors import ConfigError, SolverError  # noqa: E402
from guerdon.core.plain import canonical, not_plain  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.ledger import Ledger  # noqa: E402
from guerdon.lm import Message  # noqa: E402
from guerdon.lm.shared import lend  # noqa: E402
from guerdon.systems.ttt_discover.language.proposer import LanguageProposer  # noqa: E402
from guerdon.systems.ttt_discover.language.sampling import Room, TokenSampler, unpacked  # noqa: E402
from guerdon.systems.ttt_discover.language.solver import TttDiscoverLm  # noqa: E402
from guerdon.systems.ttt_discover.problems.erdos import ErdosOverlap  # noqa: E402
from guerdon.systems.ttt_discover.proposer import Recipe, Sample, Start  # noqa: E402

_spec = importlib.util.spec_from_file_location("language_tiny", Path(__file__).with_name("language_tiny.py"))
assert _spec is not None
assert _spec.loader is not None
made = importlib.util.module_from_spec(_spec)
sys.modules["language_tiny"] = made
_spec.loader.exec_module(made)

[TASK] = ErdosOverlap().tasks("main")
START = Start({"construction": [0.5] * 40}, -0.5)
SETTINGS: dict[str, Any] = {
    "model": "tiny", "groups": 2, "rollouts": 8, "budget_s": 1, "kill_s": 5, "rank": 4, "lr": 1e-3,
    "context_tokens": 160, "thinking_tokens": 140,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> Iterator[Any]:
    model = made.tiny()
    with lend("tiny", model):
        yield model


def solver(**settings: Any) -> TttDiscoverLm:
    return TttDiscoverLm(**{**SETTINGS, **settings})


def proposer(**settings: Any) -> LanguageProposer:
    return solver(**settings).proposer(TASK)


def samples(some: LanguageProposer, policy: Any, advantages: list[float]) -> list[Sample]:
    [drafts] = some.propose(TASK, policy, [START], len(advantages), 0.0, stream(5, "propose"))
    return [Sample(START, 0.0, draft.action, advantage) for draft, advantage in zip(drafts, advantages, strict=True)]


# ── sampling ────────────────────────────────────────────────────────────────────────────────────────────────────────


def sampler(model: Any, **room: Any) -> TokenSampler:
    return TokenSampler(model, Room(**room), 1.0, model.encode)


def test_replies_are_the_models_own_and_their_tokens_say_so(tiny: Any) -> None:
    prompt = (Message("user", made.PROMPT_TAIL),)
    [replies] = sampler(tiny, context=160, thinking=140).sample([prompt], 12, [3])
    assert {reply.text for reply in replies} & set(made.REPLIES)
    for reply in replies:
        ids, logprobs, chosen = unpacked(reply.action)
        assert all(chosen)
        assert len(ids) == len(logprobs) == reply.tokens
        if not reply.cut:
            assert ids[-1] in tiny.ends
            assert tiny.decoded(ids[:-1]) == reply.text
        before = tiny.encode(prompt)
        logits = tiny.model(torch.tensor([[*before, *ids]])).logits[0].log_softmax(-1).detach()
        again = [float(logits[len(before) + at - 1, token]) for at, token in enumerate(ids)]
        assert logprobs == pytest.approx(again, abs=1e-3)
        assert reply.logprob == pytest.approx(sum(again), abs=1e-2)


def test_thinking_over_the_cap_has_its_answer_forced() -> None:
    model = made.untrained()  # never ends by itself
    prompt = (Message("user", made.PROMPT_TAIL),)
    read = len(model.encode(prompt))
    room = {"context": read + 60, "thinking": read + 10, "forced": "Out.", "language": "python"}
    [[reply]] = sampler(model, **room).sample([prompt], 1, [0])
    ids, _, chosen = unpacked(reply.action)
    forced = model.encode("Out.```python\n")
    assert reply.forced
    assert ids[10 : 10 + len(forced)] == forced
    assert chosen == [True] * 10 + [False] * len(forced) + [True] * (len(ids) - 10 - len(forced))
    assert reply.tokens == len(ids) - len(forced)
    assert read + len(ids) <= read + 60
    assert "Out.```python\n" in reply.text


def test_a_mark_ends_thinking_and_only_what_follows_is_the_answer() -> None:
    model = made.untrained()
    prompt = (Message("user", made.PROMPT_TAIL),)
    read = len(model.encode(prompt))
    room = {"context": read + 60, "thinking": read + 10, "forced": "Out.", "end": "</think>"}
    [[reply]] = sampler(model, **room).sample([prompt], 1, [0])
    ids, _, _ = unpacked(reply.action)
    forced = model.encode("Out.</think>")
    assert ids[10 : 10 + len(forced)] == forced
    end = [at for at in ids[10 + len(forced) :] if at not in model.ends]
    assert reply.text == model.decoded(end)


def test_a_reply_that_ends_by_itself_is_left_alone(tiny: Any) -> None:
    prompt = (Message("user", made.PROMPT_TAIL),)
    [replies] = sampler(tiny, context=512, thinking=500).sample([prompt], 8, [1])
    for reply in replies:
        if reply.text in made.REPLIES:
            assert not reply.forced
            assert not reply.cut


def test_a_prompt_over_the_cap_is_a_fault_of_its_own(tiny: Any) -> None:
    [[reply]] = sampler(tiny, context=60, thinking=20).sample([(Message("user", made.PROMPT_TAIL),)], 1, [1])
    assert reply.fault is not None
    assert reply.fault.whose == "solver"
    with_it = proposer(context_tokens=60, thinking_tokens=20)
    [[draft]] = with_it.propose(TASK, with_it.start(TASK, stream(1)), [START], 1, 0.0, stream(1))
    assert "raise the cap" in str(draft.content)
    snapshot = with_it.start(TASK, stream(1))
    assert with_it.learn(TASK, snapshot, [Sample(START, 0.0, draft.action, 1.0)], Recipe()) == (snapshot, {})


def test_a_smaller_context_gets_the_same_shares() -> None:
    assert TttDiscoverLm().proposer(TASK).room.thinking == 26_000
    assert solver(context_tokens=1024, thinking_tokens=0).proposer(TASK).room.thinking == 812
    assert Room(context=32768, thinking=26000).within(512) == Room(context=512, thinking=406)
    assert Room(context=100, thinking=80).within(512) == Room(context=100, thinking=80)
    assert Room(context=100, thinking=80).within(None) == Room(context=100, thinking=80)


# ── drafts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_drafts_hold_what_the_programs_made(tiny: Any) -> None:
    some = proposer()
    [drafts] = some.propose(TASK, some.start(TASK, stream(1)), [START], 24, 0.0, stream(2))
    by_code: dict[str, Any] = {}
    for draft in drafts:
        assert not_plain(draft.content) is None
        assert not_plain(draft.action) is None
        assert draft.note["target"] == 0.380876
        assert isinstance(draft.content, dict)
        by_code[str(draft.content.get("code"))] = draft.content.get("construction")
    good = made.GOOD.split("\n")[1]
    assert by_code[good] == [0.2, 0.5, 0.8, 0.8, 0.5, 0.2]
    assert by_code["None"] is None


def test_proposing_is_a_function_of_its_arguments(tiny: Any) -> None:
    some = proposer()
    policy = some.start(TASK, stream(1))
    one, two, other = (some.propose(TASK, policy, [START], 6, 0.0, stream(seed)) for seed in (2, 2, 3))
    assert [draft.action for draft in one[0]] == [draft.action for draft in two[0]]
    assert [draft.action for draft in one[0]] != [draft.action for draft in other[0]]


# ── learning ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_step_makes_likelier_what_had_an_advantage(tiny: Any) -> None:
    some = proposer()
    policy = some.start(TASK, stream(1))
    [drafts] = some.propose(TASK, policy, [START], 8, 0.0, stream(2))
    good = made.GOOD.split("\n")[1]
    likes = [1.0 if "code" in draft.content and draft.content["code"] == good else -1.0 for draft in drafts]
    assert {-1.0, 1.0} == set(likes)
    wanted = [Sample(START, 0.0, draft.action, like) for draft, like in zip(drafts, likes, strict=True)]
    rows, sampled = some._rows(TASK, wanted)
    assert some.policy is not None
    following, figures = some.learn(TASK, policy, wanted, Recipe(lr=1e-3))
    after = some.policy.logprobs(rows)
    gain = sum(
        sample.advantage * (float(new.sum()) - sum(old))
        for sample, new, old in zip(wanted, after, sampled, strict=True)
    )
    assert gain > 0.01
    assert figures["drift"] < 1e-4  # the sampler's log-probabilities are the trainer's
    assert following is not None
    assert following.steps == 1


def test_the_loss_is_that_of_the_objective_written_out(tiny: Any) -> None:
    """At the step itself π = π_sampler, so that the gradient is −Σ A_t ∇ log π, with A_t shaped per token."""
    some = proposer()
    first = some.start(TASK, stream(1))
    policy, _ = some.learn(TASK, first, samples(some, first, [2.0, -1.0, -1.0, 1.0]), Recipe(lr=3e-3))  # leave the base
    wanted, weight = samples(some, policy, [2.0, -0.5, -1.0]), 0.1
    rows, sampled = some._rows(TASK, wanted)
    assert some.policy is not None
    assert policy is not None
    base = some.policy.logprobs(rows, base=True)
    gaps = [[a - float(b) for a, b in zip(old, new, strict=True)] for old, new in zip(sampled, base, strict=True)]
    mean = sum(map(sum, gaps)) / sum(map(len, gaps))
    shaped = [
        [sample.advantage + weight * (mean - gap) for gap in line] for sample, line in zip(wanted, gaps, strict=True)
    ]

    def plain(logprobs: Any, mask: Any, which: list[int]) -> Any:
        total = 0.0
        for line, at in zip(logprobs, which, strict=True):
            total = total - (torch.tensor(shaped[at]) * line[: len(shaped[at])]).sum()
        return total

    ours, figures = some.learn(TASK, policy, wanted, Recipe(lr=1e-3, kl=weight))
    theirs, _ = some.policy.step(policy, rows, plain)
    assert figures["kl"] == pytest.approx(mean, abs=1e-5)
    assert abs(mean) > 1e-4
    assert ours is not None
    for name, each in ours.first.items():
        assert torch.allclose(each, theirs.first[name], rtol=1e-3, atol=1e-4)


def test_learning_in_micro_batches_and_from_a_saved_policy_is_the_same(tiny: Any, tmp_path: Path) -> None:
    some, small = proposer(), proposer(micro_tokens=150)
    policy = some.start(TASK, stream(1))
    policy, _ = some.learn(TASK, policy, samples(some, policy, [2.0, -1.0, -1.0]), Recipe(lr=1e-3, kl=0.1))
    some.save(policy, tmp_path)
    wanted = samples(some, policy, [1.0, -1.0, 0.5])
    straight, _ = some.learn(TASK, policy, wanted, Recipe(lr=1e-3, kl=0.1))
    assert straight is not None
    with lend("tiny", made.tiny()):  # as in a new process
        fresh = proposer()
        resumed, _ = fresh.learn(TASK, fresh.load(tmp_path), wanted, Recipe(lr=1e-3, kl=0.1))
    parted, _ = small.learn(TASK, policy, wanted, Recipe(lr=1e-3, kl=0.1))
    assert resumed is not None
    assert parted is not None
    assert resumed.steps == straight.steps == 2
    for part in ("weights", "first", "second"):
        for name, each in getattr(straight, part).items():
            assert torch.equal(each, getattr(resumed, part)[name]), name
            assert torch.allclose(each, getattr(parted, part)[name], atol=1e-4), name


def test_forced_tokens_teach_nothing() -> None:
    with lend("tiny", made.untrained()):
        some = proposer(context_tokens=220, thinking_tokens=70)
        policy = some.start(TASK, stream(1))
        [one] = samples(some, policy, [1.0])
        rows, _ = some._rows(TASK, [one])
        forced = [token for token, chosen in zip(rows[0].action, rows[0].mask(), strict=True) if not chosen]
        assert forced == some.opened.encode(solver().forced + "```python\n")  # type: ignore[attr-defined]
        whole, _ = some.learn(TASK, policy, [one], Recipe(lr=1e-3))
        assert some.policy is not None
        assert policy is not None
        own, _ = some.policy.step(policy, rows, lambda logprobs, mask, which: -(logprobs * mask).sum())
        assert whole is not None
        for name, each in whole.first.items():
            assert torch.allclose(each, own.first[name], rtol=1e-3, atol=1e-5)


def test_an_attempt_at_another_prompt_is_refused(tiny: Any) -> None:
    some = proposer()
    policy = some.start(TASK, stream(1))
    [one] = samples(some, policy, [1.0])
    moved = Sample(Start({"construction": [0.5] * 41}, -0.5), 0.0, one.action, 1.0)
    with pytest.raises(SolverError, match="prompt has changed"):
        some.learn(TASK, policy, [moved], Recipe())


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def recorded(path: Path, some: TttDiscoverLm, budget: int) -> list[str]:
    with Ledger.open(path) as ledger:
        name = run(some, ErdosOverlap(), ledger=ledger, seed=1, budget=budget, checkpoint_s=0.0).id
        rows = ledger.attempts(name)
        keep = ("action", "start", "step", "figures")
        return [
            canonical([row.step, row.answer.content, {key: row.answer.note.get(key) for key in keep}]) for row in rows
        ]


def shares(rows: list[str], code: str) -> list[float]:
    import json

    plain = [json.loads(row) for row in rows]
    steps = sorted({row[0] for row in plain})[1:]
    of = [[row[1].get("code") == code for row in plain if row[0] == step] for step in steps]
    return [sum(each) / len(each) for each in of]


def test_training_shifts_the_model_to_the_better_program(tmp_path: Path) -> None:
    """Both arms start from the same model, which writes the better program about a third of the time."""
    good = made.GOOD.split("\n")[1]
    found = {}
    for objective in ("adaptive", "none"):
        with lend("tiny", made.tiny()):
            some = solver(objective=objective, steps=6, groups=1, rollouts=16, kl=0.01)
            found[objective] = shares(recorded(tmp_path / objective, some, 1000), good)
    trained, frozen = (sum(found[each][-2:]) / 2 for each in ("adaptive", "none"))
    assert found["adaptive"][0] == found["none"][0]
    assert trained > frozen + 0.1, found


def test_a_run_in_two_parts_is_the_run_in_one(tmp_path: Path) -> None:
    some = solver(steps=3, groups=2, rollouts=4, kl=0.1)
    with lend("tiny", made.tiny()):
        whole = recorded(tmp_path / "one", some, 1000)
    with lend("tiny", made.tiny()):
        part = recorded(tmp_path / "two", some, 10)
    with lend("tiny", made.tiny()):  # as in a new process
        both = recorded(tmp_path / "two", some, 1000)
    assert part == whole[:10]
    assert both == whole
    assert len(whole) == 2 + 3 * 8


def test_a_model_that_cannot_be_trained_is_refused_with_the_fix(tiny: Any) -> None:
    with pytest.raises(ConfigError, match='objective="none"'):
        solver(model="scripted:echo").proposer(TASK).start(TASK, stream(1))
    with pytest.raises(ConfigError, match="temperature 1"):
        solver(temperature=0.5).proposer(TASK).start(TASK, stream(1))


@pytest.mark.parametrize(
    "odd", [{"thinking_tokens": 160}, {"budget_s": 6}, {"target": "soon"}, {"rollouts": 0}, {"thinking_tokens": -1}]
)
def test_settings_that_make_no_sense_are_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        solver(**odd)


def test_the_target_is_a_setting(tiny: Any) -> None:
    assert solver().proposer(TASK).target == 0.380876
    assert solver(target="none").proposer(TASK).target is None
    assert solver(target="0.3").proposer(TASK).target == 0.3
