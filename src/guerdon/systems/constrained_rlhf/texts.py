"""Any transformers policy with any rewards: prompts from a file, components by name, an evaluation of one's own.

{"prompt": "How are you?<EOU>", "reference": "Fine.", "intent": 1}     a line; what is not the prompt is the key
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.bench.loading import load_file, resolve, reward_named
from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import digest
from guerdon.core.reward import Reward
from guerdon.core.rng import stream
from guerdon.core.score import Score
from guerdon.core.task import Answer, Case, Task
from guerdon.systems.constrained_rlhf.dialogue import LONGEST_PROMPT, prompt_ids
from guerdon.systems.constrained_rlhf.runs import EVAL, Setting
from guerdon.train.rollouts import Sampling, answers
from guerdon.train.sampling import Drawn

if TYPE_CHECKING:
    from guerdon.train.policy import Policy
    from guerdon.train.state import State

Floats: TypeAlias = npt.NDArray[np.float64]
Corpus: TypeAlias = Callable[[Sequence[str], Sequence[str]], float]
"""An evaluation of all responses together, with their references."""


class Asked(list[int]):
    """The ids of a prompt, which remembers its line: two lines may ask the same and expect something else."""

    def __init__(self, ids: Iterable[int], row: Mapping[str, Any]) -> None:
        super().__init__(ids)
        self.row = row


def prompts_of(rows: Iterable[Mapping[str, Any]], tokenizer: Any, *, longest: int = LONGEST_PROMPT) -> list[Asked]:
    """Lines with a `prompt`, as a policy is asked them."""
    lines = list(rows)
    return [
        Asked(ids, row) for ids, row in zip(prompt_ids(tokenizer, [r["prompt"] for r in lines], longest=longest), lines)
    ]


def read_prompts(path: Path | str) -> list[dict[str, Any]]:
    """The lines of a prompts file.

    Raises:
        ConfigError: it is missing, or a line has no prompt.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise ConfigError(
            "a file of JSON lines with prompts", str(error)[:200], "Check the path and its lines"
        ) from None
    odd = next(
        (k for k, row in enumerate(rows, 1) if not isinstance(row, dict) or not isinstance(row.get("prompt"), str)), 0
    )
    if odd or not rows:
        got = f"{Path(path).name}, line {odd}, has none" if odd else "it is empty"
        raise ConfigError("each line has a text `prompt`", got, 'Write {"prompt": "...", "reference": "..."}')
    return rows


def cases_of(prompts: Sequence[Asked], drawn: Drawn, tokenizer: Any) -> list[Case]:
    """What rewards see: the prompt's text, the response, and the rest of the line as the key."""
    found = []
    for asked, ids, count in zip(prompts, drawn.ids.tolist(), drawn.lengths.tolist(), strict=True):
        text = tokenizer.decode(ids[:count], skip_special_tokens=True)
        name = digest(dict(asked.row))[:12]
        key = {field: value for field, value in asked.row.items() if field != "prompt"}
        found.append(Case(Task(name, {"prompt": asked.row["prompt"]}), Answer(name, text), key))
    return found


@dataclass(frozen=True)
class Components:
    """Component rewards as a training loop asks for them: (n, N), nan where a reward has no answer.

    Args:
        rewards: by name.
        tokenizer: makes text of ids.
    """

    rewards: Mapping[str, Reward]
    tokenizer: Any

    def __call__(self, prompts: Sequence[Asked], drawn: Drawn) -> Floats:
        """Scores of answers."""
        return self.of(cases_of(prompts, drawn, self.tokenizer))

    def of(self, cases: Sequence[Case]) -> Floats:
        """Scores of cases.

        Raises:
            RewardError: a reward has no score for any of them.
        """
        columns = [_values(name, reward(cases)) for name, reward in self.rewards.items()]
        return np.stack(columns, 1)


@dataclass(frozen=True)
class Evaluation:
    """The true evaluation on prompts that are held out, with the components there.

    Args:
        prompts: to answer, the same ones each time.
        components: the component rewards.
        judge: a reward, whose mean counts, or a figure of all responses with their references.
        sampling: how answers are drawn.
        seed: draws them.
    """

    prompts: Sequence[Asked]
    components: Components
    judge: Reward | Corpus
    sampling: Sampling
    seed: int = 0

    def __call__(self, policy: Policy, state: State) -> dict[str, float]:
        """`eval` and each component; means over what is known."""
        rng = stream(self.seed, "evaluation", state.iteration)
        cases = cases_of(self.prompts, answers(policy, self.prompts, self.sampling, rng), self.components.tokenizer)
        scores = self.components.of(cases)
        found = {name: _mean(column) for name, column in zip(self.components.rewards, scores.T, strict=True)}
        return {**found, EVAL: self._judged(cases)}

    def _judged(self, cases: Sequence[Case]) -> float:
        if isinstance(self.judge, Reward):
            return _mean(_values("the evaluation", self.judge(cases)))
        responses = [str(case.answer.content) for case in cases]
        return float(self.judge(responses, [str(case.key.get("reference", "")) for case in cases]))


def _values(name: str, scores: Sequence[Score]) -> Floats:
    """(n,) nan where unknown."""
    found = np.array([np.nan if each.value is None else each.value for each in scores])
    if len(found) and not np.isfinite(found).any():
        got = f"all {len(found)} failed, the first by {scores[0].fault}"
        raise RewardError(f"{name} has a score for some of the answers", got[:300], "Mend the reward")
    return found


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def judge_named(name: str) -> Reward | Corpus:
    """An evaluation by `module:NAME` or `FILE.py:NAME`: a reward, a function of responses and references, or a class.

    Raises:
        ConfigError: it is neither.
    """
    path, _, attribute = name.partition(":")
    found: Any = None
    if attribute and not path.endswith(".py"):
        try:
            found = resolve(name)
        except (ImportError, AttributeError) as error:
            raise ConfigError("an evaluation as module:NAME", str(error), "Check the module and the name") from None
    elif attribute:
        found = getattr(load_file(path), attribute, None)
    made = found() if inspect.isclass(found) else found
    if made is None or isinstance(made, Reward):
        return made or reward_named(name)
    if not callable(made):
        raise ConfigError("a reward, or a function of responses and references", f"got {name}", "Name another")
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A causal language model of transformers to train.

    Args:
        source: a folder or a name; weights as safetensors.
        rank: of the adapter; 0 trains all parameters, with a frozen copy as the reference.
        critic: where the value function starts; the policy's own source by default.
        device: as torch names it.
        most_tokens: of a micro-batch.
        checkpointing: recompute activations in the backward pass.
    """

    source: str
    rank: int = 0
    critic: str | None = None
    device: str = "cpu"
    most_tokens: int = 16_384
    checkpointing: bool = False

    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return _loaded("AutoTokenizer", self.source)

    def sampling(self, tokenizer: Any, *, most: int = 20, temperature: float = 1.0, top_p: float = 1.0) -> Sampling:
        """How it answers: up to `most` tokens, ended as it ends texts."""
        end = int(tokenizer.eos_token_id)
        pad = end if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
        return Sampling(most=most, end=end, pad=pad, temperature=temperature, top_p=top_p)

    def policy(self) -> Policy:
        """A fresh policy, with its reference."""
        from guerdon.train.policy import Lora, Policy

        model, how = self._model(self.source), {"most_tokens": self.most_tokens, "checkpointing": self.checkpointing}
        if self.rank:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="fan_in_fan_out")  # peft does what GPT-2 needs, and says so
                return Policy(model, lora=Lora(rank=self.rank, alpha=float(self.rank)), **how)  # type: ignore[arg-type]
        return Policy(model, frozen=self._model(self.source), **how)  # type: ignore[arg-type]

    def value(self) -> Any:
        """The value function before training."""
        from guerdon.prefer.models import Backbone
        from guerdon.train.critic import Critic

        return Critic(body=Backbone(self._model(self.critic or self.source)), most_tokens=self.most_tokens)

    def _model(self, source: str) -> Any:
        return _loaded("AutoModelForCausalLM", source, use_safetensors=True).to(self.device)


def text_setting(
    model: Model,
    rewards: Mapping[str, Reward],
    judge: Reward | Corpus,
    rows: Sequence[Mapping[str, Any]],
    held_out: Sequence[Mapping[str, Any]],
    *,
    most: int = 20,
    temperature: float = 1.0,
    top_p: float = 1.0,
    longest: int = LONGEST_PROMPT,
    seed: int = 0,
    batch: int = 128,
    every: int = 5,
    settings: Mapping[str, Any] | None = None,
) -> Setting:
    """The setting of a language model with rewards of one's own.

    Args:
        model: what is trained.
        rewards: the components, by name.
        judge: the true evaluation.
        rows: prompts to train on.
        held_out: prompts to evaluate on.
        most: tokens of a response at most.
        temperature: of drawing.
        top_p: of drawing.
        longest: ids of a prompt at most; what is too long loses its beginning.
        seed: of all that is drawn.
        batch: answers of an iteration.
        every: iterations between evaluations.
        settings: of PPO.
    """
    tokenizer = model.tokenizer()
    sampling = model.sampling(tokenizer, most=most, temperature=temperature, top_p=top_p)
    components = Components(rewards, tokenizer)
    evaluate = Evaluation(prompts_of(held_out, tokenizer, longest=longest), components, judge, sampling, seed)
    return Setting(
        policy=model.policy, prompts=prompts_of(rows, tokenizer, longest=longest), names=tuple(rewards),
        score=components, evaluate=evaluate, sampling=sampling, batch=batch, seed=seed, every=every,
        settings={"critic": model.value(), **(settings or {})},
    )  # fmt: skip


def _loaded(kind: str, source: str, **how: Any) -> Any:
    try:
        import transformers
    except ImportError:
        got = "transformers is not installed"
        raise ConfigError("models by transformers", got, 'Run pip install "guerdon[train]"') from None
    try:
        return getattr(transformers, kind).from_pretrained(source, **how)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the model {source}", str(error)[:200], "Give a folder or a name, with safetensors"
        ) from None
