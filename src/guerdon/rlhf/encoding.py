"""How prompts and responses become rows that a reward model reads, kept in the folder of the reward.

`Words` is a vocabulary made from the data, for tiny networks; `Pretrained` is the tokenizer of a transformers model;
`Encoder` makes one vector of each prompt with its response, for a perceptron.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import Json
from guerdon.lm import weights
from guerdon.prefer.models import Rows, portions
from guerdon.prefer.sets import Text

PAD, BETWEEN, END = 0, 1, 2
FIRST_BYTE = 3
FIRST_WORD = FIRST_BYTE + 256
_WORD = re.compile(r"\w+|\n|[^\w\s]")
PLAIN = "{prompt}\n{response}"
"""The template of text for models without a chat template."""


class Encoding(Protocol):
    """What makes rows."""

    def rows(self, prompts: Sequence[Text], responses: Sequence[Text]) -> Rows:
        """One row for each prompt with its response, in order."""

    def plain(self) -> dict[str, Json]:
        """What `opened` needs beside the files."""

    def save(self, folder: Path) -> None:
        """Write the files that it needs, if any."""


def flat(text: Text) -> str:
    r"""A text as it is; of a conversation, a line for each message.

    >>> flat([{"role": "user", "content": "Hi"}])
    'user: Hi'
    """
    if isinstance(text, str):
        return text
    return "\n".join(f"{message['role']}: {message['content']}" for message in text)


@dataclass(frozen=True, kw_only=True)
class Words:
    r"""Words and punctuation marks of a data set; what it does not have is spelt in bytes, so no text is unknown.

    A row is `prompt, BETWEEN, response, END`. If it would be longer than `longest`, the beginning of the prompt goes
    first, down to a quarter of a row, then the end of the response.

    Args:
        words: in the order of their ids.
        longest: most tokens of a row.

    >>> Words(words=("tea", "."), longest=8).ids("tea.")
    [259, 260]
    """

    words: tuple[str, ...] = field(repr=False)
    longest: int = 256

    @classmethod
    def of(cls, texts: Iterable[str], *, most: int = 8_000, at_least: int = 2, longest: int = 256) -> Words:
        """The vocabulary of some texts.

        Args:
            texts: where from.
            most: words at most, the more frequent first.
            at_least: how often a word occurs to be in.
            longest: see the class.
        """
        count = Counter(word for text in texts for word in _WORD.findall(text))
        ranked = sorted(count, key=lambda word: (-count[word], word))
        return cls(words=tuple(word for word in ranked[:most] if count[word] >= at_least), longest=longest)

    @cached_property
    def _known(self) -> Mapping[str, int]:
        return {word: FIRST_WORD + k for k, word in enumerate(self.words)}

    @property
    def vocabulary(self) -> int:
        """Number of ids."""
        return FIRST_WORD + len(self.words)

    def ids(self, text: str) -> list[int]:
        """The ids of a text."""
        found: list[int] = []
        for word in _WORD.findall(text):
            known = self._known.get(word)
            spelt = [] if known is not None else word[: self.longest].encode("utf-8", "surrogatepass")
            found += [FIRST_BYTE + byte for byte in spelt] if known is None else [known]
        return found

    def rows(self, prompts: Sequence[Text], responses: Sequence[Text]) -> Rows:
        """See `Encoding`."""
        return Rows.of([self._row(flat(a), flat(b)) for a, b in zip(prompts, responses, strict=True)])

    def _row(self, prompt: str, response: str) -> list[int]:
        asked, said = self.ids(prompt), self.ids(response)
        room = self.longest - 2
        said = said[: room - min(len(asked), room // 4)]
        asked = asked[max(0, len(asked) - (room - len(said))) :]
        return [*asked, BETWEEN, *said, END]

    def plain(self) -> dict[str, Json]:
        """See `Encoding`."""
        return {"kind": "words", "words": list(self.words), "longest": self.longest}

    def save(self, folder: Path) -> None:
        """Nothing: the words are in the description."""


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A transformers tokenizer, with its chat template where it has one.

    A row that would be longer than `longest` loses its beginning.

    Args:
        tokenizer: fast or slow.
        name: where it came from, for people.
        template: "chat", or text with `{prompt}` and `{response}`; the tokenizer's end token follows the latter.
        longest: most tokens of a row.
    """

    tokenizer: Any = field(repr=False)
    name: str = ""
    template: str = PLAIN
    longest: int = 1024

    @classmethod
    def of(cls, where: str | Path, *, name: str = "", template: str = "", longest: int = 1024) -> Pretrained:
        """The tokenizer of a folder or hub id; `template` is its own by default."""
        tokenizer = from_pretrained("AutoTokenizer", where)
        template = template or ("chat" if getattr(tokenizer, "chat_template", None) else PLAIN)
        return cls(tokenizer=tokenizer, name=name or str(where), template=template, longest=longest)

    def rows(self, prompts: Sequence[Text], responses: Sequence[Text]) -> Rows:
        """See `Encoding`."""
        texts = [_valid(self._text(a, b)) for a, b in zip(prompts, responses, strict=True)]
        if not texts:
            return Rows.of([])
        chat = self.template == "chat"
        found = self.tokenizer(texts, add_special_tokens=not chat, truncation=False)["input_ids"]
        end = [] if chat or self.tokenizer.eos_token_id is None else [int(self.tokenizer.eos_token_id)]
        return Rows.of([(ids if ids[-1:] == end else ids + end)[-self.longest :] or [0] for ids in found])

    def _text(self, prompt: Text, response: Text) -> str:
        if self.template != "chat":
            return self.template.replace("{prompt}", flat(prompt), 1).replace("{response}", flat(response), 1)
        said = [*_messages(prompt, "user"), *_messages(response, "assistant")]
        return str(self.tokenizer.apply_chat_template(said, tokenize=False))

    def plain(self) -> dict[str, Json]:
        """See `Encoding`."""
        return {"kind": "pretrained", "name": self.name, "template": self.template, "longest": self.longest}

    def save(self, folder: Path) -> None:
        """Write the tokenizer's own files to `tokenizer`."""
        self.tokenizer.save_pretrained(str(folder / "tokenizer"))


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A sentence encoder: vectors of the prompt, of the response, and their product, one after the other.

    A text's vector is the mean of its last hidden states, scaled to length 1 (arXiv 1908.10084).

    Args:
        model: a transformers encoder.
        tokenizer: its tokenizer.
        name: where it came from, for people.
        longest: most tokens of a text.
    """

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    name: str = ""
    longest: int = 256

    @classmethod
    def of(cls, where: str | Path, *, name: str = "", longest: int = 256) -> Encoder:
        """The encoder of a folder or hub id."""
        model = from_pretrained("AutoModel", where, use_safetensors=True).eval()
        tokenizer = from_pretrained("AutoTokenizer", where)
        return cls(model=model, tokenizer=tokenizer, name=name or str(where), longest=longest)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return 3 * int(self.model.config.hidden_size)

    def rows(self, prompts: Sequence[Text], responses: Sequence[Text]) -> Rows:
        """See `Encoding`."""
        asked, said = self.vectors([*map(flat, prompts)]), self.vectors([*map(flat, responses)])
        return Rows.of_vectors(np.concatenate([asked, said, asked * said], 1))

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, D) vectors of length 1 of single texts."""
        import torch

        made = np.zeros((len(texts), self.width // 3), np.float32)
        if not texts:
            return made
        told = self.tokenizer([_valid(text) for text in texts], truncation=True, max_length=self.longest)["input_ids"]
        rows = Rows.of([ids or [0] for ids in told])
        for some in portions(rows.lengths, 16_384):
            ids, mask = rows.take(some).tensors()
            with torch.no_grad():
                states = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            made[some] = torch.nn.functional.normalize(mean, dim=-1).float().numpy()
        return made

    def plain(self) -> dict[str, Json]:
        """See `Encoding`."""
        return {"kind": "encoder", "name": self.name, "longest": self.longest}

    def save(self, folder: Path) -> None:
        """Write the encoder and its tokenizer to `encoder`."""
        self.model.save_pretrained(str(folder / "encoder"), safe_serialization=True)
        self.tokenizer.save_pretrained(str(folder / "encoder"))


def opened(plain: Mapping[str, Any], folder: Path) -> Encoding:
    """The encoding that a folder describes.

    Raises:
        RewardError: its kind is not known.
    """
    kind = plain.get("kind")
    if kind == "words":
        return Words(words=tuple(map(str, plain["words"])), longest=int(plain["longest"]))
    name, longest = str(plain.get("name")), int(plain.get("longest") or 0)
    if kind == "pretrained":
        return Pretrained.of(folder / "tokenizer", name=name, template=str(plain["template"]), longest=longest)
    if kind == "encoder":
        return Encoder.of(folder / "encoder", name=name, longest=longest)
    raise RewardError("an encoding of words, pretrained or encoder", f"got {kind!r}", "Use a newer guerdon")


def from_pretrained(kind: str, where: str | Path, **options: Any) -> Any:
    """A part of a transformers model from a folder or the hub; no code of the model's own is run.

    Args:
        kind: name of an Auto class.
        where: folder, hub id, GGUF file, or the name of a model in `guerdon models list`.
        options: of `from_pretrained`.

    Raises:
        ConfigError: transformers is missing, or cannot open it.
    """
    try:
        import transformers
    except ImportError:
        raise ConfigError("transformers", "it is not installed", 'Run pip install "guerdon[train]"') from None
    place, more = _source(where)
    if more:
        options.pop("use_safetensors", None)
    try:
        with _quiet(transformers):
            return getattr(transformers, kind).from_pretrained(place, trust_remote_code=False, **options, **more)
    except (OSError, ValueError, KeyError) as error:
        got = f"{Path(where).name}: {str(error).strip().splitlines()[0][:160] if str(error).strip() else 'not one'}"
        raise ConfigError("a transformers model, as a folder or hub id", got, "Check the name") from None


def _source(where: str | Path) -> tuple[str, dict[str, str]]:
    """What transformers is told: a folder or hub id, and the name of a GGUF file."""
    path = weights.get(str(where)) if str(where) in weights.CATALOGUE else Path(where)
    if path.is_file() and path.suffix == ".gguf":
        return str(path.parent), {"gguf_file": path.name}
    return str(where), {}


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars while weights are loaded."""
    logs = transformers.utils.logging
    bars = logs.is_progress_bar_enabled()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logs.enable_progress_bar()


def _messages(text: Text, role: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": text}] if isinstance(text, str) else list(text)


def _valid(text: str) -> str:
    """Text without lone surrogates, which tokenizers refuse."""
    return text.encode("utf-8", "replace").decode("utf-8")
