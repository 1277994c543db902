"""The command line: collect preferences from trees of responses, report what they cost, show the networks' regimes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.bench.commands import obey
from guerdon.bench.loading import reward_named
from guerdon.core.errors import ConfigError
from guerdon.core.preference import Preference, both_orders, from_reward
from guerdon.core.recipe import recipe
from guerdon.prefer.annotators import Judge, completing, simulated_pool
from guerdon.prefer.files import write
from guerdon.systems.tree_preference import journal, prompts
from guerdon.systems.tree_preference.answers import ExactAnswer
from guerdon.systems.tree_preference.collect import TOPOLOGY, Compared, Nobody, as_set, ask, compare, cost
from guerdon.systems.tree_preference.shapes import Shape
from guerdon.systems.tree_preference.trees import Generator, Tree, grow

AT_ONCE = 16
"""Trees that are grown and labelled together; a collection that is killed loses these at most."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A collection: what is asked, who answers, who compares.

    Args:
        asked: prompts with what a comparer may know of each.
        generate: the generator.
        preference: the comparer.
        shape: of the trees.
        seed: of all draws.
        settings: of prompts, generator and comparer, plain data that tells collections apart.
        at_once: trees of one batch.
    """

    asked: Sequence[tuple[str, Any]]
    generate: Generator
    preference: Preference
    shape: Shape
    seed: int = 0
    settings: Mapping[str, Any]
    at_once: int = AT_ONCE

    def run(self, out: Path) -> tuple[list[Compared], list[Tree]]:
        """Grow and label what the journal beside `out` lacks, and write the preferences.

        What a fault of the generator or the comparer left undone is done by the next call.

        Args:
            out: a `.jsonl` or `.parquet` file in TRL's shape with the columns of `TOPOLOGY`; where the comparer
                leaves pairs open, in the package's own shape, which can say so.

        Raises:
            ConfigError: the journal is of other settings.
            ProviderError: the model gives nothing at all.
        """
        whole = {**self.settings, "shape": recipe(self.shape), "seed": self.seed, "at_once": self.at_once}
        with journal.Journal(out.with_name(out.name + ".trees"), whole) as book:
            try:
                self._ask_again(book)
                self._grow(book)
            finally:
                export(book.compared, out)
            return book.compared, book.trees

    def _ask_again(self, book: journal.Journal) -> None:
        """Comparisons that a fault of the comparer left open, a batch at a time."""
        trees = {tree.id: tree for tree in book.trees}
        left = [(trees[each.tree], each.a, each.b) for each in book.compared if each.choice.outcome is None]
        for at in range(0, len(left), self.at_once):
            book.correct(ask(self.generate, left[at : at + self.at_once], self.preference, dict(self.asked)))

    def _grow(self, book: journal.Journal) -> None:
        done = {tree.id for tree in book.trees}
        for again in range(self.shape.trees):
            for at in range(0, len(self.asked), self.at_once):
                some = self.asked[at : at + self.at_once]
                ids = [f"{at + k}/{again}" for k in range(len(some))]
                if done.issuperset(ids):
                    continue
                texts = [prompt for prompt, _ in some]
                grown = grow(self.generate, texts, ids, self.shape, self.seed, again, at)
                new = [tree for tree in grown if tree.id not in done and not tree.failed]
                keys = dict(some)
                told = compare(self.generate, new, self.shape, self.preference, self.seed, keys)
                book.append(new, told)


def export(compared: Sequence[Compared], out: Path) -> None:
    """Write preferences: in TRL's shape, or in the package's own if all of them are open."""
    rows = as_set(compared)
    open_ = len(rows) > 0 and all(isinstance(each.choice.judge, str) and not each.choice.judge for each in compared)
    if open_:
        write(rows, out, "guerdon")
    else:
        write(rows, out, "trl", columns=TOPOLOGY)


# ---- what the options name -------------------------------------------------------------------------------------------


def generator_of(options: argparse.Namespace) -> Generator:
    """The generator that `--model` names.

    `desk:SEED` is the policy of a desk in the tiny text world, learned on the spot, `tiny:FOLDER` a saved one,
    `policy:FOLDER` (or a hub id) a causal model of transformers, and anything else a spec of `guerdon.lm`.
    """
    from guerdon.systems.tree_preference import generators

    kind, _, rest = options.model.partition(":")
    if kind == "tiny":
        from guerdon.train.tiny import TinyLM

        return generators.FromTiny(TinyLM.load(Path(rest)))
    if kind == "desk":
        from guerdon.rlhf.desk import Desk

        return generators.FromTiny(Desk.make(_whole(rest, options.model)).policy)
    if kind == "policy":
        return _policy(rest, options)
    from guerdon.lm import open_model

    stop = tuple(text.encode("utf-8").decode("unicode_escape") for text in options.stop)
    return generators.FromModel(
        open_model(options.model), options.most, _template(options, "{prompt}\n\n"), _tokenizer(options.tokenizer),
        options.chat, stop, options.top_p,
    )  # fmt: skip


def _policy(name: str, options: argparse.Namespace) -> Generator:
    from guerdon.systems.tree_preference.generators import FromPolicy
    from guerdon.train.policy import Policy

    try:
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(name)
    except (ImportError, OSError, ValueError) as error:
        raise ConfigError("a causal model of transformers", str(error)[:200], "Check the folder or the name") from None
    tokenizer = _tokenizer(options.tokenizer or name)
    template = _template(options, "" if tokenizer.chat_template else "{prompt}\n\n")
    return FromPolicy(Policy(model), tokenizer, options.most, template, options.top_p)


def _template(options: argparse.Namespace, default: str) -> str:
    if options.template is None:
        return "" if options.tokenizer and not options.model.startswith("policy:") else default
    return str(options.template).encode("utf-8").decode("unicode_escape")


def _tokenizer(name: str) -> Any:
    if not name:
        return None
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ConfigError("a tokenizer of transformers", str(error)[:200], "Check the folder or the name") from None


def preference_of(name: str, seed: int) -> Preference:
    """The comparer that `--judge` names.

    `answer` checks the final number, `gold:SEED` and `simulated:SEED` are those of the tiny text world, `none` leaves
    pairs open, `reward:FILE.py` (or `reward:module:NAME`) is a reward of one's own, and anything else is a language
    model of `guerdon.lm`, asked in both orders.
    """
    kind, _, rest = name.partition(":")
    if kind == "none":
        return Nobody()
    if kind == "answer":
        return from_reward(ExactAnswer())
    if kind == "reward":
        return from_reward(reward_named(rest))
    if kind in ("gold", "simulated"):
        from guerdon.systems.tree_preference.gold import Gold

        gold = Gold(seed=_whole(rest, name))
        return from_reward(gold) if kind == "gold" else simulated_pool(gold, seed=seed)
    from guerdon.lm import Sampling, open_model

    return both_orders(Judge(complete=completing(open_model(name), Sampling(temperature=0.0)), label=name))


def _whole(text: str, name: str) -> int:
    if not text.isdigit():
        raise ConfigError("the seed of a world", f"got {name!r}", "Write gold:1, simulated:1 or desk:1")
    return int(text)


# ---- commands --------------------------------------------------------------------------------------------------------


def _collect(options: argparse.Namespace) -> None:
    asked = prompts.load(options.prompts, options.limit)
    if options.topology == "chain":
        shape = Shape.chain(options.pairs, options.coldest, options.hottest)
    else:
        breadth = tuple(options.breadth) if len(options.breadth) > 1 else tuple(options.breadth) * options.depth
        shape = Shape(
            breadth=breadth, pairs=options.pairs, inner=options.inner, coldest=options.coldest, hottest=options.hottest
        )
    names = ("prompts", "model", "judge", "limit", "most", "template", "tokenizer", "chat", "stop", "top_p")
    told = {name: getattr(options, name) for name in names}
    collection = Collection(
        asked=asked,
        generate=generator_of(options),
        preference=preference_of(options.judge, options.seed),
        shape=shape,
        seed=options.seed,
        settings=told,
        at_once=options.at_once,
    )
    compared, trees = collection.run(options.out)
    _say(cost(compared, trees).lines())
    faults = sum(each.choice.outcome is None for each in compared)
    lost = len(asked) * shape.trees - len(trees)
    _say([f"{options.out}"])
    if faults or lost:
        _say([f"{faults} comparisons and {lost} trees failed: the same command tries them again"])


def _report(options: argparse.Namespace) -> None:
    for path in options.journals:
        _, trees, compared = journal.read(path)
        _say([str(path), *(f"  {line}" for line in cost(compared, trees).lines())])


def _regimes(options: argparse.Namespace) -> None:
    from guerdon.systems.tree_preference.regimes import Setting, table

    per_type, biases = (1.5, 3.0, 6.0, 12.0), (0.1, 1.0, 10.0)
    found = table(Setting(types=options.types, seed=options.seed), per_type, biases)
    _say(["chain / tree distance (above 1 the tree is better), one and two responses a type"])
    _say([("  n/M   " + "".join(f"F = {bias:<10g}" for bias in biases)).rstrip()])
    for each, row in zip(per_type, found, strict=True):
        _say([(f"  {each:<6g}" + "".join(f"{one:.2f} / {two:.2f}   " for one, two in row)).rstrip()])


def _say(lines: Sequence[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def parser() -> argparse.ArgumentParser:
    """All options."""
    top = argparse.ArgumentParser(prog="guerdon tree-preference", description=__doc__)
    commands = top.add_subparsers(required=True)
    one = commands.add_parser("collect", help="grow trees, compare leaves, write a preference file")
    one.set_defaults(run=_collect)
    add = one.add_argument
    add(
        "--prompts",
        required=True,
        help="a .jsonl, .json, .parquet, .csv or .txt file, hub:NAME[:CONFIG]:SPLIT, or tiny",
    )
    add("--model", required=True, help="desk:SEED, tiny:FOLDER, policy:FOLDER or hub id, http://host:port/v1#id, ...")
    add("--judge", required=True, help="answer, reward:FILE.py, gold:SEED, simulated:SEED, none, or a model as above")
    add("--out", required=True, type=Path, help="preference file; the journal beside it ends in .trees")
    add("--topology", choices=("tree", "chain"), default="tree", help="chain: independent responses")
    add("--depth", type=int, default=3, help="levels of a tree")
    add("--breadth", type=int, nargs="+", default=[2], help="children of a node, or one number for each level")
    add("--pairs", type=int, default=4, help="comparisons for each prompt")
    add("--inner", action="store_true", help="compare incomplete responses as well (an ablation)")
    add("--coldest", type=float, default=0.7, help="first temperature")
    add("--hottest", type=float, default=1.3, help="last temperature; it rises by 0.1 until siblings differ")
    add("--most", type=int, default=256, help="tokens of a response at most")
    add("--top-p", type=float, default=1.0, help="share of the likeliest tokens that is drawn from")
    add("--template", help=r"text that is completed, with {prompt}; \n is a new line")
    add("--tokenizer", default="", help="folder or hub id, for its chat template")
    add("--chat", action="store_true", help="send the prefix as the beginning of the assistant's turn (llama.cpp)")
    add("--stop", nargs="*", default=[], help="texts that end a response")
    add("--limit", type=int, help="prompts at most")
    add("--seed", type=int, default=0, help="of all draws")
    add("--at-once", type=int, default=AT_ONCE, help="trees grown and labelled together")
    two = commands.add_parser("report", help="what journals cost")
    two.set_defaults(run=_report)
    two.add_argument("journals", nargs="+", type=Path, help="files that end in .trees")
    three = commands.add_parser("regimes", help="when trees leave less to guess, in networks of Gaussian edges")
    three.set_defaults(run=_regimes)
    three.add_argument("--types", type=int, default=100, help="M, clusters of responses")
    three.add_argument("--seed", type=int, default=0, help="of all draws")
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; errors that a person can mend are one line."""
    obey(parser(), arguments)
