"""Markdown of organisers, made harmless twice: no HTML is taken in, and only a short list of tags goes out."""

from __future__ import annotations

import functools
from typing import Any

from markupsafe import Markup

from guerdon.report.text import clip, visible

TAGS = frozenset(
    ["p", "br", "hr", "h3", "h4", "h5", "h6", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a",
     "table", "thead", "tbody", "tr", "th", "td"]
)  # fmt: skip
LONGEST = 200_000


def markdown(source: str) -> Markup:
    """Rules as HTML. Links go to http and https only and lend no credit; pictures are left out."""
    import nh3

    html = _reader().render(visible(clip(source, LONGEST)))
    clean = nh3.clean(
        html, tags=set(TAGS), attributes={"a": {"href"}}, url_schemes={"http", "https"},
        link_rel="nofollow noopener noreferrer", strip_comments=True,
    )  # fmt: skip
    return Markup(clean)  # cleaned above: the one place where text becomes HTML


@functools.cache
def _reader() -> Any:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    reader.disable(["image", "html_block", "html_inline"])
    reader.core.ruler.push("lower_headings", _lower_headings)
    return reader


def _lower_headings(state: Any) -> None:
    """Headings start below those of the page."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
