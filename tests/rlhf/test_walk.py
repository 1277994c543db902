"""The way of a user: noisy pairs, a reward, its audit, training under it, where to stop, and the same reward in TRL."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from guerdon import Answer, Challenge, Ledger, Solver, Task
from guerdon.bench.run import run
from guerdon.cli.main import main
from guerdon.core.rng import stream
from guerdon.core.solver import Desk as Seat
from guerdon.core.solver import Problem
from guerdon.prefer.files import write
from guerdon.prefer.sets import PreferenceSet
from guerdon.worlds.tiny_text import VOCABULARY, say

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')

from guerdon.rlhf.desk import MOST, Desk  # noqa: E402
from guerdon.rlhf.kept import KeptReward  # noqa: E402

pytestmark = pytest.mark.slow
SEED = 101


def texts(rows: Any) -> list[str]:
    return [say(row) for row in rows]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def desk() -> Desk:
    from guerdon.train.tiny import Sft

    return Desk.make(SEED, demonstrations=3000, sft=Sft(epochs=3), width=32, calibrate_on=1000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("walk")


def guerdon(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def kept(desk: Desk, folder: Path) -> KeptReward:
    """`guerdon reward fit` on 2,000 pairs in JSON lines, a quarter of whose labels are wrong."""
    asked = desk.prompts(2000, "walk")
    one, two = (desk.draw(asked, "walk", side) for side in ("one", "two"))
    wrong = stream(SEED, "walk", "flips").random(len(asked)) < 0.25
    chosen = np.where((desk.gold(asked, one) > desk.gold(asked, two)) ^ wrong, 1, 2).astype(np.int8)
    write(PreferenceSet.of(texts(asked), texts(one.ids), texts(two.ids), chosen), folder / "pairs.jsonl", "trl")
    words = ("fit", str(folder / "pairs.jsonl"), "--out", str(folder / "my-reward"), "--combine", "mean")
    assert guerdon("reward", *words) == 0
    return KeptReward.load(folder / "my-reward")


@pytest.fixture(scope="module")
def history(desk: Desk, kept: KeptReward, folder: Path) -> list[dict[str, float]]:
    """PPO of a small policy under the reward; the gold reward is only watched, on prompts that it does not train on."""
    from guerdon.train.kl import FixedKL
    from guerdon.train.learners import PPO
    from guerdon.train.loop import train
    from guerdon.train.rollouts import Sampling, collect

    held_out, sampling = desk.prompts(128, "walk", "held out"), Sampling(most=MOST)

    def score(prompts: Any, drawn: Any) -> Any:
        return kept.scores(texts(prompts), texts(drawn.ids))

    def watch(policy: Any, state: Any) -> dict[str, float]:
        drawn = collect(policy, held_out, score, sampling, stream(SEED, "walk", "watch", state.iteration))
        gold = desk.gold(held_out, drawn.drawn)
        return {"gold": float(gold.mean()), "proxy": float(drawn.scores.mean())}

    trained = train(
        desk.learner(), PPO(lr=3e-3, kl=FixedKL(weight=0.01)), desk.prompts(2000, "walk", "ppo"), score,
        iterations=60, batch=64, sampling=sampling, seed=SEED, watch=watch, every=1,
    )  # fmt: skip
    text = "\n".join(json.dumps(row) for row in trained.history)
    (folder / "history.jsonl").write_text(text, encoding="utf-8")
    return trained.history


def test_the_reward_knows_more_than_its_noisy_labels(desk: Desk, kept: KeptReward) -> None:
    asked = desk.prompts(500, "walk", "fresh")
    one, two = (desk.draw(asked, "walk", "fresh", side) for side in ("one", "two"))
    better = desk.gold(asked, one) > desk.gold(asked, two)
    said = kept.scores(texts(asked), texts(one.ids)) > kept.scores(texts(asked), texts(two.ids))
    assert np.mean(said == better) > 0.6
    assert len(kept.members) == 5
    assert 1990 <= kept.lineage["pairs"] + kept.lineage["held_out"] <= 2000  # type: ignore[operator]  # equal answers


def test_what_is_gained_by_the_proxy_is_lost_by_the_gold_reward_and_where_is_said(
    history: list[dict[str, float]],
) -> None:
    from guerdon.rlhf.overoptimisation import course_of_history, where_to_stop

    stop = where_to_stop(course_of_history(history))
    assert history[-1]["proxy"] > history[0]["proxy"] + 1
    assert stop.over_optimised
    assert stop.n < 30
    assert stop.fall.low > 0


def test_the_audit_says_so_on_one_page(
    kept: KeptReward, history: list[dict[str, float]], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [str(folder / "my-reward" / "held-out.jsonl"), str(folder / "pairs.jsonl")]
    more = ["--history", str(folder / "history.jsonl"), "--trained-on", pairs[1], "--out", str(folder / "audit.html")]
    assert guerdon("reward", "audit", str(folder / "my-reward"), "--data", pairs[0], *more, "--json") == 0
    told = {each["probe"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert told["training"]["verdict"] == "bad"
    assert told["accuracy"]["verdict"] != "not measured"
    assert "<html" in (folder / "audit.html").read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Judged(Challenge):
    """Prompts whose answers a kept reward judges."""

    name: ClassVar[str] = "walk"
    prompts: tuple[str, ...]
    reward: KeptReward = field(metadata={"recipe": False})

    @property
    def judge(self) -> KeptReward:
        return self.reward

    def tasks(self, split: str) -> Iterable[Task]:
        return [Task(f"t{k}", {"prompt": prompt}) for k, prompt in enumerate(self.prompts)]


@dataclass(frozen=True, kw_only=True)
class Given(Solver):
    """Hands in answers that are there."""

    name: ClassVar[str] = "given"
    answers: tuple[tuple[str, str], ...]

    def solve(self, problem: Problem, desk: Seat) -> None:
        desk.score([Answer(task, text) for task, text in self.answers])


@pytest.mark.filterwarnings("default")
def test_an_unmodified_trl_run_gives_the_numbers_of_the_ledger(desk: Desk, kept: KeptReward, tmp_path: Path) -> None:
    pytest.importorskip("trl", reason='needs pip install "guerdon[trl]"')
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from guerdon.interop.trl import as_reward_func

    torch.manual_seed(0)
    model, tokenizer = small_llama()
    prompts = sorted(set(texts(desk.prompts(8, "walk", "trl"))))
    seen: list[tuple[str, str, float]] = []
    function = as_reward_func(kept)

    def watched(prompts: Sequence[str], completions: Sequence[str], **columns: Any) -> list[float | None]:
        values = function(prompts=prompts, completions=completions, **columns)
        seen.extend((p, c, float(v)) for p, c, v in zip(prompts, completions, values, strict=True) if v is not None)
        return values

    settings = GRPOConfig(
        output_dir=str(tmp_path), max_steps=3, per_device_train_batch_size=8, num_generations=4, logging_steps=1,
        max_completion_length=8, use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, bf16=False,
    )  # fmt: skip
    rows = Dataset.from_list([{"prompt": prompt} for prompt in prompts])
    trainer = GRPOTrainer(model, reward_funcs=[watched], args=settings, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    logged = [line["reward"] for line in trainer.state.log_history if "reward" in line]
    assert len(seen) == 24
    assert len({value for *_, value in seen}) > 12
    assert logged == pytest.approx([np.mean([v for *_, v in seen[k : k + 8]]) for k in (0, 8, 16)], abs=1e-4)

    given = Given(answers=tuple((f"t{prompts.index(prompt)}", text) for prompt, text, _ in seen))
    with Ledger.open(tmp_path / "guerdon.db") as book:
        result = run(given, Judged(prompts=tuple(prompts), reward=kept), ledger=book)
        judged = book.judged(result.id)
    recorded = {(attempt.answer.task, attempt.answer.content): verdict.score for attempt, verdict in judged if verdict}
    for prompt, text, value in seen:
        score = recorded[f"t{prompts.index(prompt)}", text]
        assert score.value == pytest.approx(value, abs=1e-5)
        assert len(score.parts) == 5


def small_llama() -> tuple[Any, Any]:
    """A causal language model over the words of the tiny text world, made here."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({word: k for k, word in enumerate(VOCABULARY)}, unk_token="<pad>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<end>", unk_token="<pad>")
    shape = LlamaConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    return LlamaForCausalLM(shape), tokenizer
