"""How a system's own command ends: well, or with one message and the exit code of the error."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from guerdon.core.errors import ConfigError, GuerdonError
from guerdon.core.packages import missing


def obey(parser: ArgumentParser, arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments and call what the chosen subcommand set as `run`.

    Args:
        parser: its subcommands have `set_defaults(run=...)`, a function of the parsed options.
        arguments: words after the program's name; those of the process by default.

    Raises:
        SystemExit: an error meant for a person, with its exit code; or wrong usage, with 2.
    """
    if code := status(parser, arguments):
        raise SystemExit(code)


def status(parser: ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """As `obey`, but returns the exit code of an error that was told, and 0 where all went well."""
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except GuerdonError as error:
        return _told(error)
    except ModuleNotFoundError as error:
        if (said := missing(error)) is None:
            raise
        return _told(said)
    except BrokenPipeError:  # whoever read the output has seen enough
        return 0
    except OSError as error:
        got = f"{Path(str(error.filename)).name}: {error.strerror}" if error.filename else str(error)
        return _told(ConfigError("files that can be read and written", got, "Check the paths"))
    return 0


def _told(error: GuerdonError) -> int:
    print(error, file=sys.stderr)
    return error.exit_code
