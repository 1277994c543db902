"""A transformers model in this process: batched, seeded, and open for training."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json, digest
from guerdon.core.score import Fault, FaultKind
from guerdon.lm import decode, weights
from guerdon.lm.files import file_digest, folder_digest
from guerdon.lm.prompts import checked, derived_seed, encodable
from guerdon.lm.protocol import DEFAULT, Closing, Continuation, Generation, Message, Prompt, Sampling

_MOST_LOGITS = 1 << 27  # floats of one scoring batch: 512 MiB


class Torch(Closing):
    """A causal language model by transformers, on a processor or a GPU.

    What a row gives does not depend on the rest of its batch: padding is masked, positions start at its first token,
    each sample draws from its own stream. In float32 log-probabilities agree to about 1e-5 between batch sizes; in
    bfloat16 they do not. Texts that no token can stand for (lone surrogates) are read as U+FFFD. A message's content
    is never read as special tokens.

    Args:
        source: `smollm2`, a hub id, a folder, or a GGUF file.
        device: "cpu", "cuda", ...; by default a GPU if there is one.
        dtype: "float32", "bfloat16" or "float16".
        batch: most rows at once.
        context: tokens of one prompt and its generation; by default what the model was made for.
        chat_template: Jinja template for messages, in place of the tokenizer's own.
        chat_options: variables of the template, such as `{"reasoning_effort": "high"}` or `{"enable_thinking": False}`.
        revision: of a hub id.
        progress: told about a download of known weights, in bytes.

    Attributes:
        model: the transformers model, to be trained as it is; `digest` follows its parameters.
        tokenizer: its tokenizer.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        device: str | None = None,
        dtype: str = "float32",
        batch: int = 16,
        context: int | None = None,
        chat_template: str | None = None,
        chat_options: Mapping[str, Json] | None = None,
        revision: str | None = None,
        progress: weights.Progress | None = None,
    ) -> None:
        torch, transformers = _engine()
        if dtype not in ("float32", "bfloat16", "float16"):
            raise ConfigError("dtype is float32, bfloat16 or float16", f"got {dtype!r}", "Change it")
        where, how, identity = _found(source, revision, progress)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        safe = {} if "gguf_file" in how else {"use_safetensors": True}  # never unpickle weights
        try:
            with _quiet(transformers):
                tokenizer = transformers.AutoTokenizer.from_pretrained(where, **how)
                model = transformers.AutoModelForCausalLM.from_pretrained(
                    where, dtype=getattr(torch, dtype), **how, **safe
                )
        except (OSError, ValueError, KeyError, ImportError) as error:
            said = " ".join(str(error).split())[:300]
            do = "Check the name; weights are read from safetensors or GGUF only"
            raise ConfigError("transformers loads the model", f"{source}: {said}", do) from None
        commit = getattr(model.config, "_commit_hash", None)
        self._chat_options = dict(chat_options or {})
        identity = [*identity, commit, dtype, *([self._chat_options] if self._chat_options else [])]
        self._adopt(model.to(device), tokenizer, str(source), identity, batch, context, chat_template)

    @classmethod
    def wrap(cls, model: Any, tokenizer: Any, *, name: str = "", batch: int = 16, context: int | None = None) -> Torch:
        """A model that is already loaded, or made from scratch."""
        made = cls.__new__(cls)
        made._chat_options = {}
        made._adopt(model, tokenizer, name or type(model).__name__, None, batch, context, None)
        return made

    def _adopt(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        identity: list[Any] | None,
        batch: int,
        context: int | None,
        chat_template: str | None,
    ) -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self._template, self._batch, self._lock = chat_template, max(1, batch), threading.Lock()
        own = getattr(model.config, "max_position_embeddings", None)
        self.context: int | None = context or own
        self._digest = digest("torch", name, identity, chat_template) if identity is not None else ""
        self._versions = self._version() if identity is not None else -1
        pad = tokenizer.pad_token_id
        self._pad = 0 if pad is None else int(pad)  # masked, so any token will do
        ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
        listed = ends if isinstance(ends, list) else [ends]
        self._ends = frozenset(int(end) for end in [*listed, tokenizer.eos_token_id] if end is not None)

    def _version(self) -> int:
        return sum(parameter._version for parameter in self.model.parameters())

    @property
    def digest(self) -> str:
        """Identity of the weights; once a parameter was written to, a digest of their bytes."""
        version = self._version()
        if version != self._versions:
            seen = hashlib.sha256()
            for name, tensor in sorted(self.model.state_dict().items()):
                seen.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
                seen.update(tensor.detach().cpu().contiguous().flatten().view(_engine()[0].uint8).numpy().tobytes())
            self._digest = digest("torch", "bytes", seen.hexdigest(), self._template, *self._chat_options.items())
            self._versions = version
        return self._digest

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt; messages go through the chat template.

        Raises:
            ConfigError: messages, but the tokenizer has no chat template.
        """
        if isinstance(prompt, str):
            ids: list[int] = self.tokenizer(encodable(prompt)).input_ids
            start = self.tokenizer.bos_token_id
            return ids or ([] if start is None else [int(start)])
        if not (self._template or getattr(self.tokenizer, "chat_template", None)):
            do = "Give the prompt as a str, or open the model with chat_template="
            raise ConfigError("messages need a tokenizer with a chat template", f"{self.name} has none", do)
        turns = [{"role": turn.role, "content": encodable(turn.content)} for turn in prompt]
        special = [str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        if not any(token in turn["content"] for token in special for turn in turns):
            whole: list[int] = self.tokenizer(self._render(turns, prompt), add_special_tokens=False).input_ids
            return whole
        mark = secrets.token_hex(8)
        stand_ins = [{**turn, "content": f"{mark}<{at}>"} for at, turn in enumerate(turns)]
        pieces = re.split(f"{mark}<(\\d+)>", self._render(stand_ins, prompt))
        joined: list[int] = []
        for at, piece in enumerate(pieces):
            joined += self._literal(turns[int(piece)]["content"]) if at % 2 else self._markup(piece)
        return joined

    def _render(self, turns: list[dict[str, str]], prompt: tuple[Message, ...]) -> str:
        goes_on = prompt[-1].role == "assistant"
        text: str = self.tokenizer.apply_chat_template(
            turns,
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=not goes_on,
            continue_final_message=goes_on,
            **self._chat_options,
        )
        return text

    def _markup(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def markup(self, text: str) -> list[int]:
        """Ids of a text in which special tokens are special, none added: marks that the program itself writes."""
        return self._markup(text)

    def _literal(self, text: str) -> list[int]:
        """Ids of a text in which special tokens are plain text."""
        ids: list[int] = self.tokenizer(encodable(text), add_special_tokens=False, split_special_tokens=True).input_ids
        return ids

    def decoded(self, ids: Sequence[int]) -> str:
        """Text of token ids, special tokens left out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = DEFAULT) -> list[list[Generation]]:
        """`sampling.n` generations for each prompt, in order."""
        rows: list[decode.Row] = []
        for prompt in checked(prompts):
            ids = self.encode(prompt)
            room = sampling.max_tokens if self.context is None else min(sampling.max_tokens, self.context - len(ids))
            seeds = [derived_seed(sampling.seed, prompt, index) for index in range(sampling.n)]
            rows += [decode.Row(ids, seed, room) for seed in seeds]
        self.extend(rows, sampling)
        made = [self._generation(row, sampling) for row in rows]
        return [made[start : start + sampling.n] for start in range(0, len(made), sampling.n)]

    def extend(self, rows: Sequence[decode.Row], sampling: Sampling = DEFAULT) -> None:
        """Produce tokens after given ones, for callers that work with ids (training, prefilled answers).

        Args:
            rows: ids, seed and room of each; filled in place. One without ids or room stays as it is.
            sampling: how to draw; its `n`, `seed` and `max_tokens` mean nothing here.
        """
        ready = sorted((row for row in rows if row.ids and row.most > 0), key=lambda row: len(row.ids))
        with self._inference():
            for start in range(0, len(ready), self._batch):
                some = ready[start : start + self._batch]
                stop = self._stopper(sampling.stop)
                decode.decode(self.model, some, sampling, ends=self._ends, pad=self._pad, stopped=stop)

    @property
    def ends(self) -> frozenset[int]:
        """Ids of the tokens that end a text."""
        return self._ends

    def _stopper(self, stops: tuple[str, ...]) -> Any:
        # A token spells at least one byte, so a stop text that has just ended lies in the last tokens.
        reach = 8 + max((len(stop.encode("utf-8", "surrogatepass")) for stop in stops), default=0)

        def stopped(row: decode.Row) -> bool:
            return bool(stops) and any(stop in self.decoded(row.made[-reach:]) for stop in stops)

        return stopped

    def _generation(self, row: decode.Row, sampling: Sampling) -> Generation:
        if row.finish is None:
            return Generation.failed(self._too_long(len(row.ids)), self.name)
        if row.finish == "fault":
            return Generation.failed(Fault(FaultKind.PROVIDER, "the model's logits are not numbers"), self.name)
        ended = row.made[-1] in self._ends
        text = self.decoded(row.made[:-1] if ended else row.made)
        starts = [at for at in (text.find(stop) for stop in sampling.stop) if at >= 0]
        logprobs = tuple(row.logprobs) if sampling.logprobs else None
        text = text[: min(starts)] if starts else text
        return Generation(text, len(row.made), len(row.ids), row.finish, logprobs, model=self.name)

    def _too_long(self, tokens: int) -> Fault:
        if not tokens:
            return Fault(FaultKind.PROVIDER, "the prompt has no tokens: write something into it", "solver")
        detail = f"the prompt has {tokens} tokens, the context {self.context}: shorten the prompt"
        return Fault(FaultKind.PROVIDER, detail, "solver")

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Continuation]:
        """How likely each continuation is after its prompt, in order; it is tokenised by itself."""
        checked([prompt for prompt, _ in pairs])
        rows = [(self.encode(prompt), self._literal(text)) for prompt, text in pairs]
        scored: dict[int, Continuation] = {}
        for at, (before, after) in enumerate(rows):
            if not after:
                scored[at] = Continuation.of([], True)
            elif not before or (self.context is not None and len(before) + len(after) > self.context):
                scored[at] = Continuation.failed(self._too_long(len(before) and len(before) + len(after)))
        todo = sorted((at for at in range(len(rows)) if at not in scored), key=lambda at: sum(map(len, rows[at])))
        with self._inference():
            for some in self._portions(todo, [len(after) for _, after in rows]):
                found = decode.forced_logprobs(self.model, [rows[at] for at in some], self._pad)
                for at, each in zip(some, found, strict=True):
                    fault = Fault(FaultKind.PROVIDER, "the model's logits are not numbers")
                    scored[at] = Continuation.failed(fault) if each is None else Continuation.of(*each)
        return [scored[at] for at in range(len(rows))]

    def _portions(self, todo: list[int], lengths: list[int]) -> Iterator[list[int]]:
        """Batches of rows whose logits fit into memory."""
        some: list[int] = []
        for at in todo:
            most = 1 + max(lengths[each] for each in [*some, at])
            if some and (
                len(some) == self._batch or (len(some) + 1) * most * self.model.config.vocab_size > _MOST_LOGITS
            ):
                yield some
                some = []
            some.append(at)
        if some:
            yield some

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens in it as plain text and none added."""
        return [len(self._literal(text)) for text in texts]

    @contextlib.contextmanager
    def _inference(self) -> Iterator[None]:
        """Without gradients and dropout, one caller at a time; training mode comes back."""
        torch, _ = _engine()
        with self._lock, torch.no_grad():
            training = self.model.training
            self.model.eval()
            try:
                yield
            finally:
                self.model.train(training)

    def close(self) -> None:
        """Nothing is held that the garbage collector does not free."""


def _engine() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        got = f"{error.name} is not installed"
        raise ConfigError("this model needs torch and transformers", got, 'Run pip install "guerdon[train]"') from None
    return torch, transformers


def _found(
    source: str | Path, revision: str | None, progress: weights.Progress | None
) -> tuple[str, dict[str, Any], list[Any]]:
    """What transformers is told to load, and the identity of it as far as it is known before."""
    path = weights.get(str(source), progress) if str(source) in weights.CATALOGUE else Path(source)
    if path.is_file():
        return str(path.parent), {"gguf_file": path.name}, ["gguf", file_digest(path)]
    if path.is_dir():
        return str(path), {}, ["folder", folder_digest(path)]
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", str(source)):
        raise ConfigError("a model is a hub id, a folder or a GGUF file", f"got {str(source)!r}", "Check the path")
    return str(source), {"revision": revision} if revision else {}, ["hub", str(source), revision]


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars and chatter while loading."""
    logs = transformers.utils.logging
    level, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the bar over GGUF tensors heeds no setting
            yield
    finally:
        logs.set_verbosity(level)
        if bars:
            logs.enable_progress_bar()
