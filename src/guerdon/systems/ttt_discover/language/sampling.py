"""Replies of a language model, its thinking capped: token by token in this process, or as texts from anywhere.

The source caps prompt and thinking together; a reply that is still thinking there has its answer forced, by writing a
line to that effect, and the mark that ends thinking, into the model's own turn. Forced tokens are not the policy's
choice and carry no loss. A model behind a protocol of texts is told the same by a turn of the user.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from guerdon.core.errors import SolverError
from guerdon.core.plain import Json
from guerdon.core.score import Fault, FaultKind
from guerdon.lm.prompts import derived_seed, text_of
from guerdon.lm.protocol import Generation, Message, Model, Sampling
from guerdon.systems.ttt_discover.language.prompts import FORCED, REMINDER, block_in

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from guerdon.lm.torch_model import Torch

Chat = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said to a prompt.

    Args:
        text: its answer, without the thinking where a mark ends that.
        action: tokens and log-probabilities, packed; only log-probabilities where ids are not known.
        tokens: produced by the model; forced ones are not counted.
        prompt_tokens: read.
        forced: true when its answer was forced.
        cut: true when it ran into the end of its room.
        logprob: of all its own tokens, in nats, where known.
        fault: why there is no text.
    """

    text: str
    action: Mapping[str, Json]
    tokens: int | None = None
    prompt_tokens: int | None = None
    forced: bool = False
    cut: bool = False
    logprob: float | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much a reply may hold, in tokens.

    Args:
        context: of prompt and reply together.
        thinking: of prompt and thinking together, after which the answer is forced.
        end: the mark that ends thinking, such as "</think>"; "" for a model without one.
        forced: what is written before that mark when the answer is forced.
        language: of the block that is opened for a model without a mark.
    """

    context: int
    thinking: int
    end: str = ""
    forced: str = FORCED
    language: str = "python"

    def within(self, context: int | None) -> Room:
        """The same shares of a smaller context.

        >>> Room(context=32768, thinking=26000).within(2048).thinking
        1625
        """
        if context is None or context >= self.context:
            return self
        scaled = max(1, self.thinking * context // self.context)
        return Room(context=context, thinking=scaled, end=self.end, forced=self.forced, language=self.language)

    def prefill(self) -> str:
        """What is written into the model's turn; a model without a mark has a block opened, too."""
        return self.forced + (self.end or f"```{self.language}\n")


class Sampler(Protocol):
    """Draws replies."""

    def sample(self, prompts: Sequence[Chat], n: int, seeds: Sequence[int]) -> list[list[Reply]]:
        """`n` replies to each prompt, from the seed of each."""


@dataclass(frozen=True, slots=True)
class TokenSampler:
    """Samples token by token from a transformers model, whatever adapter is in force.

    Args:
        model: the model.
        room: for a reply.
        temperature: of sampling; training asks for 1.
        encode: token ids of a prompt.
    """

    model: Torch
    room: Room
    temperature: float
    encode: Callable[[Chat], list[int]]

    def sample(self, prompts: Sequence[Chat], n: int, seeds: Sequence[int]) -> list[list[Reply]]:
        """`n` replies to each prompt, from the seed of each."""
        from guerdon.lm.decode import Row

        rows, sampling = [], Sampling(temperature=self.temperature, logprobs=True)
        for prompt, seed in zip(prompts, seeds, strict=True):
            ids = self.encode(prompt)
            left = self.room.thinking - len(ids)
            rows += [Row(ids, derived_seed(seed, prompt, index), left) for index in range(n)]
        self.model.extend(rows, sampling)
        prefills = [self._prefill(row) for row in rows]
        later = [self._later(row, prefill) for row, prefill in zip(rows, prefills, strict=True)]
        self.model.extend([row for row in later if row is not None], sampling)
        made = [self._reply(*each) for each in zip(rows, prefills, later, strict=True)]
        return [made[at : at + n] for at in range(0, len(made), n)]

    def _prefill(self, row: Any) -> list[int]:
        """Ids that force the answer of a row that is still thinking at the cap; none for others."""
        if row.finish != "length" or self._answer_from(row.made) is not None:
            return []
        if not self.room.end and block_in(self.model.decoded(row.made)) is not None:
            return []
        return self.model.markup(self.room.prefill())

    def _later(self, row: Any, prefill: list[int]) -> Any:
        from guerdon.lm.decode import Row

        ids = [*row.ids, *row.made, *prefill]
        more = self.room.context - len(ids)
        again = row.finish == "length" and more > 0
        return Row(ids, derived_seed(row.seed, "after the cap", 0), more) if again else None

    def _answer_from(self, made: Sequence[int]) -> int | None:
        """Where the answer begins: after the last mark that ends thinking."""
        mark = self.model.markup(self.room.end) if self.room.end else []
        ends = [at + len(mark) for at in range(len(made) - len(mark) + 1) if list(made[at : at + len(mark)]) == mark]
        return ends[-1] if mark and ends else None

    def _reply(self, row: Any, prefill: list[int], later: Any) -> Reply:
        if row.finish is None:
            detail = f"the prompt has {len(row.ids)} tokens of {self.room.thinking}: shorten it or raise the cap"
            return Reply("", {}, 0, len(row.ids), fault=Fault(FaultKind.LIMIT, detail, "solver"))
        after = later if later is not None and later.finish is not None else None
        if "fault" in (row.finish, after.finish if after else ""):
            return Reply("", {}, fault=Fault(FaultKind.PROVIDER, "the model's logits are not numbers"))
        forced = prefill if after else []
        ids = [*row.made, *forced, *(after.made if after else [])]
        logprobs = [*row.logprobs, *[0.0] * len(forced), *(after.logprobs if after else [])]
        said = ids[:-1] if ids[-1] in self.model.ends else ids
        tokens, last = len(ids) - len(forced), after or row
        return Reply(
            text=self.model.decoded(said[self._answer_from(said) or 0 :]),
            action=packed(ids, logprobs, (len(row.made), len(row.made) + len(forced))),
            tokens=tokens,
            prompt_tokens=len(row.ids),
            forced=bool(forced),
            cut=last.finish == "length",
            logprob=sum(logprobs),
        )


@dataclass(frozen=True, slots=True)
class TextSampler:
    """Samples whole texts from any model: a server, an embedded one, a script. What it says cannot be trained on.

    Args:
        model: the model.
        room: for a reply.
        temperature: of sampling.
        logprobs: ask for the log-probabilities of tokens, which are recorded where they come.
    """

    model: Model
    room: Room
    temperature: float
    logprobs: bool = True

    def sample(self, prompts: Sequence[Chat], n: int, seeds: Sequence[int]) -> list[list[Reply]]:
        """`n` replies to each prompt, from the seed of each."""
        found = []
        counts = self.model.count([text_of(prompt) for prompt in prompts])
        for prompt, seed, count in zip(prompts, seeds, counts, strict=True):
            left = max(1, self.room.thinking - count)
            [group] = self.model.generate([prompt], self._sampling(left, n, seed))
            found.append(self._answered(prompt, group, seed))
        return found

    def _sampling(self, most: int, n: int, seed: int) -> Sampling:
        return Sampling(max_tokens=most, temperature=self.temperature, n=n, seed=seed, logprobs=self.logprobs)

    def _answered(self, prompt: Chat, group: Sequence[Generation], seed: int) -> list[Reply]:
        """The replies, those that were cut off without a program after a second turn."""
        cut = [at for at, each in enumerate(group) if each.finish == "length" and block_in(each.text) is None]
        turns = [(*prompt, Message("assistant", group[at].text), Message("user", REMINDER)) for at in cut]
        most = max(1, self.room.context - self.room.thinking)
        second = self.model.generate(turns, self._sampling(most, 1, seed)) if turns else []
        answers: dict[int, Generation | None] = {at: each[0] for at, each in zip(cut, second, strict=True)}
        return [self._reply(each, answers.get(at)) for at, each in enumerate(group)]

    def _reply(self, first: Generation, second: Generation | None) -> Reply:
        last = second or first
        parts = [first, second] if second else [first]
        fault = next((each.fault for each in parts if each.fault), None)
        if fault:
            return Reply("", {}, fault=fault)
        text = last.text if second or not self.room.end else last.text.rpartition(self.room.end)[2]
        known = [each.logprobs for each in parts if each.logprobs is not None]
        every = [value for each in known for value in each] if len(known) == len(parts) else None
        return Reply(
            text=text,
            action={} if every is None else {"logprobs": _pack(every, "<f4")},
            tokens=_sum([each.tokens for each in parts]),
            prompt_tokens=_sum([each.prompt_tokens for each in parts]),
            forced=second is not None,
            cut=last.finish == "length",
            logprob=None if every is None else sum(every),
        )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [each for each in counts if each is not None]
    return sum(known) if len(known) == len(counts) else None


def packed(ids: Sequence[int], logprobs: Sequence[float], forced: tuple[int, int]) -> dict[str, Json]:
    """Tokens as plain data of about 7 bytes each: ids, log-probabilities in float32, and the span that was forced.

    >>> unpacked(packed([5, 6, 7], [-0.5, 0.0, -1.0], (1, 2)))
    ([5, 6, 7], [-0.5, 0.0, -1.0], [True, False, True])
    """
    return {"ids": _pack(ids, "<i4"), "logprobs": _pack(logprobs, "<f4"), "forced": list(forced)}


def unpacked(action: Mapping[str, Json]) -> tuple[list[int], list[float], list[bool]]:
    """Ids, log-probabilities, and which tokens the policy chose.

    Raises:
        SolverError: the action holds no tokens.
    """
    ids, logprobs, forced = action.get("ids"), action.get("logprobs"), action.get("forced")
    if not isinstance(ids, str) or not isinstance(logprobs, str) or not isinstance(forced, Sequence):
        got = "got texts of a model that tells no token ids"
        raise SolverError("tokens to learn from", got, 'Train a model in this process: model="torch:..."')
    tokens: list[int] = _unpack(ids, "<i4").tolist()
    chances: list[float] = _unpack(logprobs, "<f4").tolist()
    first, last = (int(str(each)) for each in forced)
    return tokens, chances, [not first <= at < last for at in range(len(tokens))]


def _pack(values: Sequence[float], kind: str) -> str:
    import numpy as np

    return base64.b64encode(zlib.compress(np.asarray(values, dtype=kind).tobytes())).decode("ascii")


def _unpack(text: str, kind: str) -> npt.NDArray[np.generic]:
    import numpy as np

    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=kind)
