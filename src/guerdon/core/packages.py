"""A package that is not here, said so that somebody can install it."""

from __future__ import annotations

import re
from importlib import metadata

from guerdon.core.errors import ConfigError

DISTRIBUTIONS = {
    "PIL": "pillow",
    "argon2": "argon2-cffi",
    "backports": "backports.zstd",
    "markdown_it": "markdown-it-py",
    "multipart": "python-multipart",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Modules whose distribution has another name."""
_EXTRA = re.compile(r"""^([A-Za-z0-9._-]+).*;.*\bextra == ['"]([a-z]+)['"]$""")


def missing(error: ModuleNotFoundError) -> ConfigError | None:
    """The error for a person, with the extra of guerdon that brings the package; `None` for a module of guerdon's own.

    >>> print(missing(ModuleNotFoundError("", name="msgspec.json")))
    the package msgspec: it is not installed. Run pip install "guerdon[vision]".
    >>> print(missing(ModuleNotFoundError("", name="of_a_user")))
    the package of-a-user: it is not installed. Run pip install of-a-user.
    """
    module = (error.name or "").partition(".")[0]
    if not module or module == "guerdon":
        return None
    name = DISTRIBUTIONS.get(module, module.replace("_", "-"))
    extra = _extras().get(plain_name(name))
    what = f'"guerdon[{extra}]"' if extra else name
    return ConfigError(f"the package {name}", "it is not installed", f"Run pip install {what}")


def _extras() -> dict[str, str]:
    """The first extra that names each distribution."""
    found: dict[str, str] = {}
    for line in metadata.requires("guerdon") or []:
        if told := _EXTRA.match(line):
            found.setdefault(plain_name(told[1]), told[2])
    return found


def plain_name(distribution: str) -> str:
    """The one spelling of a distribution's name: those that write metadata do not keep the author's.

    >>> plain_name("Backports.ZSTD")
    'backports-zstd'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()
