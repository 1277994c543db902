"""Losses and steps against TRL's own trainers, on fixed answers of a tiny Llama."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("trl", reason='needs pip install "guerdon[trl]"')
pytest.importorskip("datasets")

from guerdon.core.rng import stream  # noqa: E402
from guerdon.train.learners import DPO, GRPO, RLOO  # noqa: E402
from guerdon.train.policy import Policy, Snapshot, Tokens  # noqa: E402
from guerdon.train.rollouts import Rollouts  # noqa: E402
from guerdon.train.sampling import Drawn  # noqa: E402
from guerdon.train.state import State  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")
LETTERS = ["<pad>", "<eos>", "<unk>", *"abcdefghijklmnopqrstuvwxyz "]
GROUP, N, MOST = 4, 8, 6
PROMPTS = [[3, 4, 5]] * GROUP + [[6, 7, 8]] * GROUP
LENGTHS = [6, 3, 4, 1, 2, 6, 5, 3]
SCORES = [1.0, 0.0, 0.5, 2.0, -1.0, 0.25, 0.0, 3.0]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def llama() -> Any:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(LETTERS), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=1,
        initializer_range=0.3,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    raw = Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(LETTERS)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def completions() -> list[list[int]]:
    drawn = stream(5, "answers").integers(3, len(LETTERS), (N, MOST)).tolist()
    return [[*line[: n - 1], 1] if n < MOST else line for line, n in zip(drawn, LENGTHS)]


def policy() -> Policy:
    return Policy(llama(), frozen=llama())


def rollouts(noise: float = 0.3) -> Rollouts:
    """Fixed answers whose sampling policy was not quite the present one."""
    ids = np.array([[*line, *[0] * (MOST - len(line))] for line in completions()], np.int64)
    lengths = np.array(LENGTHS, np.int64)
    there = np.arange(MOST) < lengths[:, None]
    rng = stream(6, "noise")
    now = np.zeros(ids.shape)
    for k, line in enumerate(policy().logprobs(Drawn(ids, lengths, now).tokens(PROMPTS))):
        now[k, : len(line)] = line
    old, base = (np.where(there, now + noise * rng.standard_normal(ids.shape), 0.0) for _ in range(2))
    drawn = Drawn(ids, lengths, old.astype(np.float32))
    return Rollouts(PROMPTS, drawn, drawn.tokens(PROMPTS), np.array(SCORES)[:, None], old, base, GROUP)


def inputs(some: Rollouts, advantages: Any) -> dict[str, Any]:
    """The same as TRL's trainers hand to their losses."""
    ids = torch.tensor(some.drawn.ids)
    return {
        "prompt_ids": torch.tensor(PROMPTS), "prompt_mask": torch.ones(N, 3, dtype=torch.long),
        "completion_ids": ids, "completion_mask": torch.tensor(some.mask, dtype=torch.long),
        "advantages": torch.tensor(advantages, dtype=torch.float32),
        "old_per_token_logps": torch.tensor(some.logprobs, dtype=torch.float32),
        "ref_per_token_logps": torch.tensor(some.reference, dtype=torch.float32),
        "old_logps": torch.tensor((some.logprobs * some.mask).sum(1), dtype=torch.float32),
        "num_items_in_batch": torch.tensor(some.mask.sum()),
    }  # fmt: skip


@pytest.fixture(scope="module")
def trainers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    folder = tmp_path_factory.mktemp("trl")
    rows = Dataset.from_list([{"prompt": "abc"}, {"prompt": "def"}])
    how = {
        "output_dir": str(folder), "per_device_train_batch_size": N, "num_generations": GROUP, "use_cpu": True,
        "report_to": [], "max_completion_length": MOST, "bf16": False, "gradient_checkpointing": False, "beta": 0.0,
    }  # fmt: skip
    made = {}
    for name, config, trainer in (("grpo", GRPOConfig, GRPOTrainer), ("rloo", RLOOConfig, RLOOTrainer)):
        made[name] = trainer(
            llama(), reward_funcs=[lambda completions, **_: [0.0] * len(completions)], args=config(**how),
            train_dataset=rows, processing_class=tokenizer(),
        )  # fmt: skip
        made[name].current_gradient_accumulation_steps = 1
    return made


def loss_and_gradient(trainer: Any, given: dict[str, Any]) -> tuple[float, float]:
    model = trainer.model.train()
    model.zero_grad()
    loss = trainer._compute_loss(model, given)
    loss.backward()
    squares = [float(each.grad.double().pow(2).sum()) for each in model.parameters() if each.grad is not None]
    return float(loss.detach()), float(np.sqrt(sum(squares)))


GRPOS = {
    "grpo": (GRPO(), {"loss_type": "grpo"}),
    "with a reference": (GRPO(beta=0.05), {"beta": 0.05, "args.use_bias_correction_kl": False}),
    "unbiased": (GRPO(beta=0.05, unbiased_kl=True), {"beta": 0.05}),
    "dr. grpo": (GRPO(aggregate="constant", scale="none"), {"loss_type": "dr_grpo"}),
    "dapo": (GRPO(aggregate="token", clip_high=0.28), {"loss_type": "dapo", "epsilon_high": 0.28}),
    "gspo": (
        GRPO(importance="sequence", clip=0.05),
        {"importance_sampling_level": "sequence", "epsilon_low": 0.05, "epsilon_high": 0.05},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRPOS)
def test_the_loss_of_grpo_is_trls(name: str, trainers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    learner, theirs = GRPOS[name]
    settings = {"loss_type": "grpo", "beta": 0.0, "epsilon_low": 0.2, "epsilon_high": 0.2} | theirs
    for key, value in settings.items():
        place, _, name_ = key.rpartition(".")
        monkeypatch.setattr(trainers["grpo"].args if place else trainers["grpo"], name_, value)
    some = rollouts()
    wanted, gradient = loss_and_gradient(trainers["grpo"], inputs(some, learner.advantages(some)))
    _, figures = learner.update(policy(), State(policy().start()), some, stream(0, "order"))
    assert figures["loss"] == pytest.approx(wanted, abs=1e-5)
    assert figures["gradient"] == pytest.approx(gradient, rel=1e-4)
    assert figures["clipped"] > 0 or name == "gspo"


def test_the_loss_of_rloo_is_trls(trainers: dict[str, Any]) -> None:
    some = rollouts(noise=0.05)
    learner = RLOO(beta=0.1)
    wanted, gradient = loss_and_gradient(trainers["rloo"], inputs(some, learner.advantages(some)))
    _, figures = learner.update(policy(), State(policy().start()), some, stream(0, "order"))
    assert figures["loss"] == pytest.approx(wanted, abs=1e-5)
    assert figures["gradient"] == pytest.approx(gradient, rel=1e-4)


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_a_whole_step_leaves_the_weights_that_trls_trainer_leaves(kind: str, tmp_path: Path) -> None:
    """TRL scores, takes advantages and steps; only the answers are put into its hands."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    config, trainer = (GRPOConfig, GRPOTrainer) if kind == "grpo" else (RLOOConfig, RLOOTrainer)
    settings = config(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=N, num_generations=GROUP, use_cpu=True,
        report_to=[], save_strategy="no", disable_tqdm=True, bf16=False, max_completion_length=MOST, beta=0.0,
        learning_rate=1e-3, lr_scheduler_type="constant", gradient_checkpointing=False, shuffle_dataset=False,
        **({"loss_type": "grpo"} if kind == "grpo" else {}),
    )  # fmt: skip
    words = {"".join(LETTERS[k] for k in line[:-1] if k > 2) for line in completions()}
    assert len(words) == N
    score = dict(zip(map(tuple, completions()), SCORES))

    def reward(completion_ids: Any, **_: Any) -> list[float]:
        return [score[tuple(line)] for line in completion_ids]

    rows = Dataset.from_list([{"prompt": "abc"}, {"prompt": "def"}])
    theirs = trainer(llama(), reward_funcs=[reward], args=settings, train_dataset=rows, processing_class=tokenizer())
    theirs._generate_single_turn = lambda *_: (completions(), None) if kind == "grpo" else completions()
    theirs.train()
    some = rollouts(noise=0.0)
    learner = {"grpo": GRPO, "rloo": RLOO}[kind](lr=1e-3, decay=settings.weight_decay, clip_norm=1.0)
    ours = policy()
    state, _ = learner.update(ours, State(ours.start()), some, stream(0, "order"))
    after = dict(theirs.model.named_parameters())
    moved = {name: each - ours.start().weights[name] for name, each in after.items()}
    assert max(float(each.abs().max()) for each in moved.values()) > 5e-4
    for name, each in state.policy.weights.items():
        close = torch.isclose(each, after[name], atol=1e-5)
        assert float(close.double().mean()) > 0.99, name  # where a gradient is all but 0, Adam's step is its sign


DPOS = {
    "sigmoid": (DPO(beta=0.2), {}),
    "robust": (DPO(beta=0.2, kind="robust", smoothing=0.1), {"loss_type": ["robust"], "label_smoothing": 0.1}),
    "ipo": (DPO(beta=0.2, kind="ipo"), {"loss_type": ["ipo"]}),
    "hinge": (DPO(beta=0.2, kind="hinge"), {"loss_type": ["hinge"]}),
}


@pytest.mark.parametrize("most_tokens", [10_000, 12], ids=["whole", "parted"])
@pytest.mark.parametrize("name", DPOS)
def test_the_loss_of_dpo_is_trls(name: str, most_tokens: int, tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    learner, more = DPOS[name]
    answers = ["".join(LETTERS[k] for k in line if k > 2) for line in completions()]
    pairs = [{"prompt": "abc", "chosen": answers[k], "rejected": answers[k + 4]} for k in range(4)]
    settings = DPOConfig(
        output_dir=str(tmp_path), beta=0.2, per_device_train_batch_size=4, use_cpu=True, report_to=[], bf16=False,
        gradient_checkpointing=False, **more,
    )  # fmt: skip
    other = llama()
    with torch.no_grad():
        for each in other.parameters():
            each.add_(0.03 * torch.randn(each.shape, generator=torch.Generator().manual_seed(each.numel())))
    trainer = DPOTrainer(
        copy.deepcopy(other), ref_model=llama(), args=settings, train_dataset=Dataset.from_list(pairs),
        processing_class=tokenizer(),
    )  # fmt: skip
    batch = trainer.data_collator([trainer.train_dataset[k] for k in range(4)])
    trainer.model.zero_grad()
    wanted = trainer.compute_loss(trainer.model, batch)
    wanted.backward()
    squares = sum(float(each.grad.double().pow(2).sum()) for each in trainer.model.parameters())
    sides = [[row[f"{side}_ids"] for row in trainer.train_dataset] for side in ("chosen", "rejected")]
    rows = [[Tokens([3, 4, 5], [int(k) for k in line]) for line in side] for side in sides]
    ours = Policy(other, frozen=llama(), most_tokens=most_tokens)
    learner = dataclasses.replace(learner, epochs=1)
    _, figures = learner.fit(ours, Snapshot(ours.start().weights), *rows, stream(0, "order"))
    assert figures["loss"] == pytest.approx(float(wanted.detach()), abs=1e-5)
    assert figures["gradient"] == pytest.approx(float(np.sqrt(squares)), rel=1e-4)
