"""How a system's own command ends: well, or with one message and the exit code of the error."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from guerdon.core.errors import GuerdonError


def obey(parser: ArgumentParser, arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments and call what the chosen subcommand set as `run`.

    Args:
        parser: its subcommands have `set_defaults(run=...)`, a function of the parsed options.
        arguments: words after the program's name; those of the process by default.

    Raises:
        SystemExit: an error meant for a person, with its exit code; or wrong usage, with 2.
    """
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except GuerdonError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
