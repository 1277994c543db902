"""Text for people: what others wrote is made visible and harmless, numbers are short, unknown is said so."""

from __future__ import annotations

import json
import math
import re
import time
import unicodedata
from typing import Any

from guerdon.core.plain import MAX_DEPTH, Blob

UNKNOWN = "unknown"
LINE = 120
"""Longest name shown whole, in characters."""

WRITTEN = {"code": "code", "source": "code", "program": "code", "text": "text", "completion": "text"}
"""Fields of answers that are written text, and of which kind."""

_SAFE_FORMATS = "\u200c\u200d"  # joiners: letters of several scripts and emoji need them
_MARKS = 4
"""Combining marks shown on one letter; more of them is a drawing, not a word."""


def visible(text: str) -> str:
    r"""The same text with everything invisible or misleading written out.

    Controls, lone surrogates, direction overrides and invisible formats become their escapes; tabs and newlines stay;
    piles of combining marks are cut.

    >>> visible("a\x00b\u202ec\ud800")
    'a\\u0000b\\u202ec\\ud800'
    """
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    pile = 0
    for char in text.replace("\r\n", "\n"):
        kind = unicodedata.category(char)
        pile = pile + 1 if kind in ("Mn", "Me") else 0
        if pile > _MARKS:
            if pile == _MARKS + 1:
                out.append("\ufffd")
        elif char in "\n\t" or char in _SAFE_FORMATS or kind not in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp"):
            out.append(char)
        else:
            out.append(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
    return "".join(out)


def clip(text: str, limit: int = LINE) -> str:
    """At most `limit` characters, with what was left out counted.

    >>> clip("x" * 1000, 40)
    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx … (960 more characters)'
    """
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … ({len(text) - limit:,} more characters)"


def short(text: str, limit: int) -> str:
    """A label of at most `limit` characters, on one line.

    >>> short("a very long name", 7)
    'a very…'
    """
    flat = " ".join(text[: 4 * limit].split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1].rstrip()}…"


def line(text: str, limit: int = LINE) -> str:
    r"""A name on one line: clipped, with white space as single spaces.

    >>> line("two\nlines")
    'two lines'
    """
    return re.sub(r"\s+", " ", clip(text, limit)).strip() or "(empty)"


def number(value: float | None, digits: int = 4) -> str:
    """A number in at most a few characters, or "unknown".

    >>> [number(v) for v in (None, -0.0, 0.5, 12345.678, 1e-300, 100)]
    ['unknown', '0', '0.5', '12,346', '1e-300', '100']
    """
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    value += 0.0
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e15:
        whole = len(str(int(abs(value))))
        text = f"{value:,.{max(digits - whole, 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:.{digits - 1}g}".replace("e+", "e").replace("e0", "e").replace("e-0", "e-")
    return text.replace("-", "−") if text.startswith("-") else text


def precise(value: float | None) -> str:
    """A number with up to nine digits, for values whose last digits are what matters.

    >>> precise(0.380876), precise(None)
    ('0.380876', 'unknown')
    """
    return UNKNOWN if value is None else f"{value:,.9g}".replace("-", "−")


def fixed(value: float | None) -> str:
    """A number as `number`, with the decimals that its neighbours in a column have.

    >>> [fixed(v) for v in (0.5, 1.0, None)]
    ['0.500', '1', 'unknown']
    """
    if value is None or not 1e-3 <= abs(value) < 1000 or value == int(value):
        return number(value)
    return f"{value:.3f}".replace("-", "−")


def count(value: float | None) -> str:
    """A whole number with thousands separated, or "unknown"."""
    return UNKNOWN if value is None else number(float(value)) if value != int(value) else f"{int(value):,}"


def duration(seconds: float | None) -> str:
    """Seconds as a person says them, or "unknown".

    >>> [duration(s) for s in (None, 0.0042, 12.34, 125, 7384)]
    ['unknown', '4.2 ms', '12.3 s', '2 min 5 s', '2 h 3 min']
    """
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return "0 s" if seconds <= 0 else f"{number(seconds * 1000, 2)} ms"
    if seconds < 60:
        return f"{number(seconds, 3)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def percent(part: float, whole: float) -> str:
    """A share, or "unknown" of nothing; a trace is not rounded to none.

    >>> percent(1, 3), percent(0, 0), percent(1, 100000), percent(99999, 100000)
    ('33.3 %', 'unknown', '< 0.1 %', '> 99.9 %')
    """
    if not whole:
        return UNKNOWN
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.1f}".removesuffix(".0") + " %"


def interval(low: float | None, high: float | None) -> str:
    """Bounds in words, empty when there are none.

    >>> interval(0.25, 0.75), interval(None, None)
    ('0.250 to 0.750', '')
    """
    return "" if low is None or high is None else f"{fixed(low)} to {fixed(high)}"


def moment(unix: float) -> str:
    """A time in UTC, or "unknown" when it was not recorded or is out of any calendar.

    >>> moment(0.0), moment(86400.0)
    ('unknown', '1970-01-02 00:00 UTC')
    """
    if not 0 < unix < 2.5e11:
        return UNKNOWN
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(unix))


def pretty(value: Any) -> str:
    r"""Plain data as indented JSON, whatever it holds.

    >>> pretty({"b": 1.0, "a": ["x"]})
    '{\n  "b": 1.0,\n  "a": [\n    "x"\n  ]\n}'
    """
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return f"(nested deeper than {MAX_DEPTH})"


def content(value: Any) -> tuple[str, str]:
    """What was handed in, as (kind, text): kind is "code", "text", "data" or "file".

    >>> content({"code": "return 1"})
    ('code', 'return 1')
    >>> content({"code": "6", "value": 6})[0]
    'data'
    """
    if isinstance(value, Blob):
        return "file", f"{value.media}, {value.size:,} bytes, sha256 {value.digest}"
    if isinstance(value, str):
        return "text", value
    if isinstance(value, dict):
        name = next((name for name in WRITTEN if isinstance(value.get(name), str)), None)
        rest = {key: inner for key, inner in value.items() if key != name}
        if name is not None and (not rest or "\n" in value[name]):
            return WRITTEN[name], value[name] + (f"\n\n{pretty(rest)}" if rest else "")
    return "data", pretty(value)
