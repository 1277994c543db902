"""Draw proxy and gold reward against optimisation, from gold-scored answers and members, or from the desk.

guerdon rm-ensembles draw ANSWERS --member REWARD --member REWARD --out FOLDER
guerdon rm-ensembles desk --out FOLDER
guerdon rm-ensembles pairs ANSWERS --flips 0.25 --out pairs.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from guerdon.bench.commands import obey
from guerdon.core.errors import ConfigError
from guerdon.prefer.files import write as write_pairs
from guerdon.prefer.overoptimisation import Curve
from guerdon.report.curves import Line, figure, write
from guerdon.report.figures import Figure
from guerdon.systems.rm_ensembles.curves import Floats, curves, points, proxies, win_rate
from guerdon.systems.rm_ensembles.published import answers_of, member_scores, pairs_of, rows_of, standardised


def main(arguments: Sequence[str] | None = None) -> None:
    """Best-of-n under ensembles of reward models, and the picture of it."""
    parser = argparse.ArgumentParser(prog="guerdon rm-ensembles", description=main.__doc__)
    parts = parser.add_subparsers(required=True, metavar="COMMAND")
    _draw_options(parts.add_parser("draw", help="score answers by members, and draw"))
    _desk_options(parts.add_parser("desk", help="the same in the tiny text world, from nothing"))
    _pairs_options(parts.add_parser("pairs", help="preferences in a published format, as guerdon reads them"))
    obey(parser, arguments)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("rm-ensembles"), help="folder for results")
    parser.add_argument("--penalty", type=float, default=0.5, help="lambda of UWO")
    parser.add_argument("--ddof", type=int, choices=(0, 1), default=0, help="of UWO's variance; 0 is the paper's")
    parser.add_argument("--most", type=int, default=0, help="largest n; nine tenths of N by default")


def _draw_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("answers", help="file of answers with gold scores (and member scores), or hub id")
    parser.add_argument("--member", action="append", default=[], help="folder or hub id of a reward; repeat it")
    parser.add_argument("--split", default="validation", help="of a data set of the hub")
    parser.add_argument("--answers-each", type=int, default=0, help="answers of each prompt to keep; 0 for all")
    parser.add_argument("--device", action="append", help="that members take in turn, such as cuda:0; repeat it")
    parser.add_argument("--raw-gold", action="store_true", help="leave gold scores on their own scale")
    _shared(parser)
    parser.set_defaults(run=_draw)


def _desk_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="of the world, the members and the answers")
    parser.add_argument("--flips", type=float, default=0.25, help="share of wrong labels")
    parser.add_argument("--scale", choices=("smoke", "desk"), default="desk", help="how large")
    _shared(parser)
    parser.set_defaults(run=_desk)


def _pairs_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="file in a published format, or hub id")
    parser.add_argument("--split", default="train", help="of a data set of the hub")
    parser.add_argument("--flips", type=float, default=0.0, help="share of labels to make wrong")
    parser.add_argument("--seed", type=int, default=0, help="draws which")
    parser.add_argument("--out", type=Path, default=Path("pairs.jsonl"), help="file to write")
    parser.set_defaults(run=_pairs)


def _pairs(options: argparse.Namespace) -> None:
    found = pairs_of(rows_of(options.source, options.split), flips=options.flips, seed=options.seed)
    write_pairs(found, options.out)
    sys.stdout.write(f"{len(found)} pairs in {options.out}\n")


def _draw(options: argparse.Namespace) -> None:
    samples = answers_of(options.answers, options.split, options.answers_each)
    if options.member:
        scores = member_scores(options.member, samples, devices=options.device or ("cpu",))
    elif samples.members is not None:
        scores = standardised(samples.members)
    else:
        raise ConfigError("members to score with", "the file has no member scores", "Give --member, or several")
    gold = samples.gold if options.raw_gold else standardised(samples.gold[None])[0]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "scored.jsonl").open("w", encoding="utf-8") as file:
        for p, prompt in enumerate(samples.prompts):
            row = {"prompt": prompt, "answers": samples.answers[p], "members": scores[:, p].tolist()}
            file.write(json.dumps({**row, "gold": samples.gold[p].tolist()}, ensure_ascii=False) + "\n")
    report(scores, gold, options.out, options.most, options.penalty, options.ddof)


def _desk(options: argparse.Namespace) -> None:
    from guerdon.rlhf.desk import Desk
    from guerdon.systems.rm_ensembles.bon import SIZES, answered, members_of, scores_of

    sizes = SIZES[options.scale]
    desk = Desk.make(options.seed, demonstrations=sizes.demonstrations)
    rows, gold = answered(desk, sizes)
    scores = scores_of(members_of(desk, sizes, options.flips), rows, len(gold))
    report(scores, gold, options.out, options.most, options.penalty, options.ddof)


def report(scores: Floats, gold: Floats, folder: Path, most: int = 0, penalty: float = 0.5, ddof: int = 0) -> None:
    """Print, and write `results.json` and `curves.html`.

    Args:
        scores: (k, P, N) standardised.
        gold: (P, N).
        folder: where to.
        most: the largest n; nine tenths of N for 0.
        penalty: lambda of UWO.
        ddof: of its variance.

    Raises:
        ConfigError: the largest n is above N.
    """
    folder.mkdir(parents=True, exist_ok=True)
    most = most or max(1, int(0.9 * gold.shape[1]))
    made = curves(scores, gold, points(most), penalty=penalty, ddof=ddof)
    wins = {way: _wins(scores, gold, way, most, penalty, ddof) for way in made if way != "single"}
    plain = {way: results(one) for way, one in made.items()}
    (folder / "results.json").write_text(json.dumps(plain, indent=1), encoding="utf-8")
    lead = f"{len(scores)} members, {gold.shape[1]:,} answers to each of {len(gold):,} prompts, n up to {most:,}."
    path = write(folder / "curves.html", "Best-of-n under ensembles of reward models", lead, figures(made))
    out = sys.stdout.write
    out(f"{lead}\n{'':8}{'proxy':>9}{'gold':>9}{'+-':>7}{'peak':>9}{'at n':>8}{'beats single':>14}\n")
    for way, one in made.items():
        won = f"{100 * wins[way]:13.1f}%" if way in wins else ""
        ends = f"{one.proxy[-1]:9.3f}{one.gold[-1]:9.3f}{one.gold_se[-1]:7.3f}"
        out(f"{way:8}{ends}{one.gold[one.peak]:9.3f}{one.n[one.peak]:8d}{won}\n")
    out(f"{path}\n")


def _wins(scores: Floats, gold: Floats, way: str, most: int, penalty: float, ddof: int) -> float:
    ours = proxies(scores, way, penalty=penalty, ddof=ddof)[0]
    return float(np.mean([win_rate(ours, each, gold, most) for each in scores]))


def results(one: Curve) -> list[dict[str, float]]:
    """A curve in the shape of the released result files, with standard errors and divergence beside.

    >>> from guerdon.prefer.overoptimisation import best_of_n
    >>> results(best_of_n([[0.0, 1.0]], [[2.0, 4.0]], [1]))[0]["gold_score"]
    3.0
    """
    names = {"n": "n", "proxy_score": "proxy", "gold_score": "gold", "kl": "kl"}
    columns = {name: getattr(one, field).tolist() for name, field in names.items()}
    columns["gold_se"] = [None if np.isnan(each) else float(each) for each in one.gold_se]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def figures(made: Mapping[str, Curve]) -> list[Figure]:
    """Gold of all ways; proxy and gold of each."""
    gold = [Line(way, one.distance, one.gold, one.gold_se) for way, one in made.items()]
    found: list[Figure] = [figure("gold", "Gold reward of each way", "√KL", "gold reward", gold)]
    for k, (way, one) in enumerate(made.items()):
        lines = [Line("gold", one.distance, one.gold, one.gold_se), Line("proxy", one.distance, one.proxy)]
        found.append(figure(f"way-{k}", f"Proxy and gold reward: {way}", "√KL", "reward", lines))
    return found
