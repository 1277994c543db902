"""The command line: make contrast items, measure a reward's consistency (fused or not), augment preferences.

guerdon rm-consistency items preferences.jsonl --out items.jsonl
guerdon rm-consistency measure REWARD --items items.jsonl [--fuse preferences.jsonl]
guerdon rm-consistency augment preferences.jsonl --synonyms /usr/share/wordnet --out augmented.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from guerdon.bench.commands import obey
from guerdon.prefer.files import rows_of
from guerdon.rlhf.contrast import Consistency, Scorer, consistency, contrast_set, overlap, quantile_band
from guerdon.rlhf.kept import load
from guerdon.systems.rm_consistency.augmentation import ConvexDA, of
from guerdon.systems.rm_consistency.encoders import sentence_encoder
from guerdon.systems.rm_consistency.fusion import TEMPLATE, Fusion, Index
from guerdon.systems.rm_consistency.released import (
    TEMPLATES,
    contrast_items,
    preferred,
    reading_as,
    scorer_of,
    stack_exchange_pairs,
)


def preferences_in(path: Path) -> list[Mapping[str, Any]]:
    """Rows with question, response_j and response_k; those of stack-exchange-preferences become such rows."""
    rows = [row for _, row in rows_of(path)]
    return list(stack_exchange_pairs(rows)) if rows and "answers" in rows[0] else list(rows)


def _written(rows: Iterable[Mapping[str, Any]], out: Path) -> int:
    lines = [json.dumps(dict(row), ensure_ascii=False) for row in rows]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return len(lines)


def _items(options: argparse.Namespace) -> None:
    asked, said = preferred(preferences_in(options.preferences))
    encode = sentence_encoder(options.encoder, asked)
    band = tuple(options.band) if options.band else quantile_band(encode(asked), 0.98, 1.0)
    items = contrast_set(asked, said, encode, (float(band[0]), float(band[1])), limit=options.most)
    count = _written(items.rows(), options.out)
    print(f"{count} items of {len(asked)} instructions, cosines {band[0]:.3f} to {band[1]:.3f}: {options.out}")


def _measure(options: argparse.Namespace) -> None:
    items = contrast_items(options.items, options.side)
    reward = load(options.reward)
    score = scorer_of(reading_as(reward, options.task) if options.task else reward)
    rewards: dict[str, Scorer] = {"reward": score, "overlap": overlap}
    if options.fuse:
        asked, said = preferred(preferences_in(options.fuse))
        template = TEMPLATES.get(options.task, TEMPLATE)
        index = Index.of(asked, said, sentence_encoder(options.encoder, [*asked, *said]), template)
        threshold = options.threshold if options.threshold is not None else index.threshold(0.95)
        fusion = Fusion(score, index, most=options.neighbours, threshold=threshold)
        rewards = {"reward": score, "fused": fusion, "overlap": overlap}
        print(f"{100 * fusion.used(items.i1, items.r1):.1f} % have a neighbour above {threshold:.3f}", file=sys.stderr)
    both, tie = not options.one_sided, 1.0 if options.one_sided else 0.5
    told = {name: consistency(items, each, both=both, tie=tie) for name, each in rewards.items()}
    print(json.dumps({name: _plain(each) for name, each in told.items()}, indent=1) if options.json else _table(told))


def _plain(found: Consistency) -> dict[str, Any]:
    ends = {"C_res": found.res, "C_ins": found.ins}
    made: dict[str, Any] = {name: {"value": e.value, "low": e.low, "high": e.high} for name, e in ends.items()}
    return made | {"items": len(found.res_points), "unknown": found.unknown}


def _table(told: Mapping[str, Consistency]) -> str:
    lines = [f"{'':<10} {'C_res':>6} {'95 %':>13} {'C_ins':>6} {'95 %':>13} {'items':>6} {'unknown':>8}"]
    for name, each in told.items():
        spans = [f"{100 * e.value:>6.1f} {f'{100 * e.low:.1f}–{100 * e.high:.1f}':>13}" for e in (each.res, each.ins)]
        lines.append(f"{name:<10} {' '.join(spans)} {len(each.res_points):>6} {each.unknown:>8}")
    return "\n".join([*lines, "chance is 50"])


def _augment(options: argparse.Namespace) -> None:
    rows = preferences_in(options.preferences)
    preferred(rows)
    encode = sentence_encoder(options.encoder, [str(row["response_j"]) for row in rows])
    convex = ConvexDA(variants=options.variants, share=options.share, seed=options.seed)
    made = convex([str(row["response_j"]) for row in rows], of(options.synonyms), encode)
    new = ({**row, "response_j": text} for row, text in zip(rows, made.texts, strict=True))
    count = _written(new, options.out)
    told = made.counts()
    print(
        f"{count} pairs: {told['vertex']} vertices, {told['random']} at random, {told['same']} unchanged: {options.out}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guerdon rm-consistency", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    items = commands.add_parser("items", help="make contrast items of preferences")
    items.add_argument("preferences", type=Path, help="rows with question, response_j (preferred) and response_k")
    items.add_argument("--band", type=float, nargs=2, help="cosines; by default the most alike 2 %% of pairs")
    items.add_argument("--most", type=int, help="items at most")
    items.set_defaults(run=_items)
    measure = commands.add_parser("measure", help="C_res and C_ins of a reward")
    measure.add_argument("reward", help="a kept reward, a classifier's folder or hub id, module:NAME or FILE.py:NAME")
    measure.add_argument("--items", type=Path, required=True, help="items made here, or a released contrast file")
    measure.add_argument("--side", choices=("j", "k"), help="of a released file: which responses are preferred")
    measure.add_argument("--task", choices=tuple(TEMPLATES), help="text that the published models of a task read")
    measure.add_argument(
        "--one-sided", action="store_true", help="ask the first instruction only and count ties as right, as released"
    )
    measure.add_argument("--fuse", type=Path, help="training preferences to look for neighbours among")
    measure.add_argument(
        "--threshold", type=float, help="lowest cosine; by default the 95th percentile of nearest ones"
    )
    measure.add_argument("--neighbours", type=int, default=5)
    measure.add_argument("--json", action="store_true")
    measure.set_defaults(run=_measure)
    augment = commands.add_parser("augment", help="ConvexDA: replace preferred responses by extreme rewordings")
    augment.add_argument("preferences", type=Path)
    augment.add_argument("--synonyms", required=True, help="folder of WordNet, or a file with a group of words a line")
    augment.add_argument("--variants", type=int, default=5)
    augment.add_argument("--share", type=float, default=0.5, help="of the words with synonyms that are replaced")
    augment.add_argument("--seed", type=int, default=0)
    augment.set_defaults(run=_augment)
    for each in (items, augment):
        each.add_argument("--out", type=Path, required=True)
    for each in (items, measure, augment):
        each.add_argument(
            "--encoder", default="words", help='"minilm", "words", a folder or hub id, or "pooled:" before it'
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error meant for a person ends with its exit code."""
    obey(_parser(), arguments)
