"""guerdon models: small language models to have on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption, make_app

NameArgument = Annotated[str, typer.Argument(help="A model's name, such as smollm2.")]


def app(name: str, _: list[str]) -> typer.Typer:
    """The command group."""
    result = make_app()
    for function, word in ((list_models, "list"), (get, "get"), (path, "path"), (remove, "remove")):
        result.command(word)(function)
    result.callback(help="Small language models to have on this machine.")(lambda: None)
    return result


def list_models(json: JsonOption = False) -> None:
    """The models that can be had, and which are here."""
    from guerdon.lm import weights

    here = weights.installed()
    found = [
        {"model": name, "about": w.about, "size_mb": round(w.size / 1e6), "installed": name in here}
        for name, w in weights.CATALOGUE.items()
    ]
    if json:
        out.say_json(found)
    else:
        rows = [[f["model"], f["installed"], f["size_mb"], f["about"]] for f in found]
        out.console().print(out.table("", ["model", "here", "MB", "about"], rows))


def get(name: NameArgument, json: JsonOption = False) -> None:
    """Fetch a model's weights into the user cache, verified by digest; nothing happens if they are there."""
    from guerdon.lm import weights

    with out.console(stderr=True).status(f"fetching {out.clean(name)}"):
        where = weights.get(name)
    if json:
        out.say_json({"model": name, "path": str(where)})
    else:
        out.console().print(f"{name} is at {where}", markup=False, soft_wrap=True)


def path(name: NameArgument) -> None:
    """Where a model's weights are."""
    from guerdon.lm import weights

    out.console().print(str(weights.where(name)), markup=False, soft_wrap=True)


def remove(name: NameArgument) -> None:
    """Delete a model's weights from the user cache."""
    from guerdon.lm import weights

    weights.remove(name)
    out.console().print(f"{name} is removed", markup=False)
