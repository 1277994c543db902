"""Pictures from strangers: decoded within a cap of pixels and written anew, so that nothing but pixels is left."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

from guerdon.core.errors import ConfigError
from guerdon.hosting.files.problems import FileProblemError, FileTooLargeError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCaps:
    """What a picture may be."""

    size: int = 20 << 20
    """Bytes of the file."""
    pixels: int = 40_000_000
    """Width times height."""
    side: int = 16_384
    """Pixels of the longer side."""


def safe_image(source: bytes | Path, caps: ImageCaps | None = None, where: str = "the picture") -> bytes:
    """A picture as a fresh PNG: its first frame, turned as its EXIF says, without any of its other data.

    Args:
        source: a PNG, JPEG, WebP or GIF file, or its bytes.
        caps: what it may be.
        where: what to call it in errors.

    Returns:
        PNG in grey, RGB or RGBA with 8 bits a channel.

    Raises:
        FileProblemError: it is damaged, or of another format.
        FileTooLargeError: it has too many bytes or pixels.
        ConfigError: Pillow is not installed.
    """
    caps = caps or ImageCaps()
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > caps.size:
        raise FileTooLargeError(f"{where} of at most {caps.size:,} bytes", f"got {size:,}", "Make it smaller")
    data = source if isinstance(source, bytes) else source.read_bytes()
    try:
        from PIL import Image
    except ImportError:
        raise ConfigError("Pillow reads pictures", "it is not installed", "pip install 'guerdon[vision]'") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as found:
                return _again(found, caps, where)
    except FileProblemError:
        raise
    except Image.DecompressionBombError:
        expected = f"{where} of at most {caps.pixels:,} pixels"
        raise FileTooLargeError(expected, "it says many more", "Make it smaller") from None
    except Image.UnidentifiedImageError:
        got = "it is SVG, which is a program" if b"<svg" in data[:4096].lower() else "it is something else"
        raise FileProblemError(f"{where} is PNG, JPEG, WebP or GIF", got, "Save it as PNG") from None
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, OverflowError, MemoryError,
            struct.error) as error:  # fmt: skip
        raise FileProblemError(f"{where} is whole", f"{type(error).__name__}: {error}"[:150], "Save it anew") from None


def _again(found: object, caps: ImageCaps, where: str) -> bytes:
    from PIL import Image, ImageOps

    assert isinstance(found, Image.Image)
    width, height = found.size
    if width * height > caps.pixels or max(width, height) > caps.side:
        expected = f"{where} of at most {caps.pixels:,} pixels and {caps.side:,} on a side"
        raise FileTooLargeError(expected, f"got {width:,} × {height:,}", "Make it smaller")
    found.seek(0)
    found.load()
    turned = ImageOps.exif_transpose(found)
    if turned.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        turned = turned.point(lambda value: value / 256).convert("L")
    alpha = "A" in turned.getbands() or "transparency" in turned.info
    mode = "RGBA" if alpha else "L" if turned.mode in ("1", "L") else "RGB"
    plain = Image.new(mode, turned.size)
    plain.paste(turned.convert(mode))
    out = io.BytesIO()
    plain.save(out, "PNG")
    return out.getvalue()
