"""Things to compare, from a JSON Lines file and the pictures and clips it names; gold questions on lines of their own.

A line is `{"id": "a1", "prompt": "Name a colour.", "system": "model-a", "content": "Blue."}`, or has
`"media": "clips/a1.mp4"` instead of the content, or is `{"gold": ["a1", "b1"], "outcome": "first"}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from guerdon.core.plain import Blob, digest
from guerdon.hosting import Actor, Host, HostingError, Item
from guerdon.hosting.files import (
    Archive,
    ArchiveCaps,
    FileProblemError,
    ImageCaps,
    JsonCaps,
    read_json_lines,
    read_zip,
    safe_image,
    safe_name,
)

MOST = 512 << 20
"""Bytes of a file of items, or of a zip with one."""
CLIP = 256 << 20
"""Bytes of one clip."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
CLIPS = {".mp4": "video/mp4", ".webm": "video/webm"}
WORDS = ("prompt", "system", "group")
LINE = 'Write {"id": ..., "prompt": ..., "system": ..., "content": ...}, or "media" with a file\'s name'


class Media(Protocol):
    """Files that lines may name."""

    def read(self, name: str) -> bytes:
        """The bytes of one."""


class Folder:
    """The files below a folder.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def read(self, name: str) -> bytes:
        """The bytes of one.

        Raises:
            FileProblemError: it is elsewhere, not there, or too large.
        """
        path = (self.root / safe_name(name, "the file of items")).resolve()
        if not path.is_relative_to(self.root) or not path.is_file():
            raise FileProblemError(f"a file {name!r:.80} beside the items", "it is not there", "Correct its name")
        if path.stat().st_size > CLIP:
            raise FileProblemError(f"files of at most {CLIP:,} bytes", f"{name!r:.80} has more", "Shorten it")
        return path.read_bytes()


@dataclass(frozen=True)
class Beside:
    """The files of an archive, by names as they are seen from one of its folders.

    Args:
        archive: that was checked.
        under: "" or a folder's name with its slash.
    """

    archive: Archive
    under: str

    def read(self, name: str) -> bytes:
        """The bytes of one.

        Raises:
            FileProblemError: it is not there.
        """
        return self.archive.read(self.under + name)


@dataclass(frozen=True)
class Gold:
    """A question whose answer is known.

    Args:
        first: id of an item.
        second: id of another.
        outcome: "first", "second", "tie" or "both-bad".
    """

    first: str
    second: str
    outcome: str


@dataclass(frozen=True)
class Read:
    """What a file says.

    Args:
        items: to compare.
        gold: questions whose answer is known.
    """

    items: Sequence[Item]
    gold: Sequence[Gold]


def read(host: Host, source: Path, beside: Path | None = None) -> Read:
    """A file of items, or a zip that holds one and the pictures and clips that it names.

    Args:
        host: whose store keeps pictures and clips.
        source: JSON Lines, or a zip.
        beside: folder of pictures and clips of a file that is no zip; none are taken by default.

    Raises:
        FileProblemError: the zip is not safe to read, or a line is no item, with its number.
    """
    with source.open("rb") as file:
        zipped = file.read(2) == b"PK"
    content: bytes | Path = source
    media: Media | None = Folder(beside) if beside else None
    if zipped:
        archive = read_zip(source, ArchiveCaps(packed=MOST, entries=200_000, entry=MOST, total=4 * MOST))
        found = [name for name in archive if name.endswith(".jsonl")]
        if len(found) != 1:
            raise FileProblemError("a zip with one .jsonl file", f"got {len(found)}", "Put one beside its pictures")
        content, media = archive.read(found[0]), Beside(archive, found[0][: found[0].rfind("/") + 1])
    gold: list[Gold] = []
    return Read(list(_items(host, content, media, gold)), gold)


def add(host: Host, actor: Actor, project: str, found: Read) -> int:
    """Add items and gold questions to a project; what is there already is left as it is. Returns how many are new."""
    new = host.comparisons.add(actor, project, found.items)
    for each in found.gold:
        host.comparisons.add_gold(actor, project, each.first, each.second, each.outcome)
    return new


def _items(host: Host, source: bytes | Path, media: Media | None, gold: list[Gold]) -> Iterator[Item]:
    for number, row in enumerate(read_json_lines(source, JsonCaps(size=MOST), "the file of items"), 1):
        if isinstance(row, dict) and "gold" in row:
            gold.append(_gold(row, number))
        else:
            yield _item(host, row, number, media)


def _item(host: Host, row: Any, number: int, media: Media | None) -> Item:
    if not isinstance(row, dict) or ("content" in row) == ("media" in row):
        raise FileProblemError('objects with "content" or "media"', f"line {number} is not one", LINE)
    words = {name: row.get(name, "") for name in WORDS}
    wrong = next((name for name, value in words.items() if not isinstance(value, str)), None)
    if wrong:
        raise FileProblemError(f"{wrong} is a text", f"line {number} has another", "Correct it")
    if "content" in row:
        return Item(str(row.get("id") or digest(row)[:16]), row["content"], **words)
    blob = _stored(host, row["media"], number, media)
    return Item(str(row.get("id") or digest(row)[:16]), blob, **words)


def _stored(host: Host, name: Any, number: int, media: Media | None) -> Blob:
    """A picture is written anew, so that nothing but pixels is left; a clip is kept as it is."""
    ending = PurePosixPath(str(name)).suffix.lower()
    if not isinstance(name, str) or ending not in (*PICTURES, *CLIPS):
        known = ", ".join((*PICTURES, *CLIPS))
        raise FileProblemError("media is a picture or a clip", f"line {number} has {name!r:.80}", f"Known are {known}")
    if media is None:
        do = "Hand in one .zip with the .jsonl file and what it names"
        raise FileProblemError("pictures and clips beside the items", f"line {number} names {name!r:.80}", do)
    content = media.read(name)
    if ending in PICTURES:
        return host.ledger.blobs.put(safe_image(content, ImageCaps(), f"{name!r:.80} of line {number}"), "image/png")
    if content[4:8] != b"ftyp" and content[:4] != b"\x1a\x45\xdf\xa3":
        got = f"{name!r:.80} of line {number} is something else"
        raise FileProblemError("a clip in MP4 or WebM", got, "Convert it, as by ffmpeg -i IN OUT.mp4")
    return host.ledger.blobs.put(content, CLIPS[ending])


def _gold(row: dict[str, Any], number: int) -> Gold:
    pair = row["gold"]
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(each, str) for each in pair):
        do = 'Write {"gold": ["a1", "b1"], "outcome": "first"}'
        raise HostingError("two ids of items as gold", f"line {number} has {str(pair)[:60]}", do)
    return Gold(pair[0], pair[1], str(row.get("outcome", "")))
