import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from guerdon.hosting.files import (
    ArrayCaps,
    FileProblemError,
    FileTooLargeError,
    ImageCaps,
    read_npy,
    read_safetensors,
    refuse_pickle,
    safe_image,
)

DTYPES = st.sampled_from(["<f4", "<f8", ">f8", "<f2", "<i4", "u1", "?"]).map(np.dtype)


def saved(array: np.ndarray, pickled: bool = False) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=pickled)
    return out.getvalue()


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)), st.booleans())
def test_an_array_reads_as_numpy_reads_it(array: np.ndarray, fortran: bool) -> None:
    data = saved(np.asfortranarray(array) if fortran else array)
    found = read_npy(data, finite=False)
    np.testing.assert_array_equal(found, np.load(io.BytesIO(data)))
    assert found.dtype == array.dtype


def test_no_object_is_loaded() -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("it was unpickled",)

    with pytest.raises(FileProblemError, match="never loaded"):
        read_npy(saved(np.array([Trap()], object), pickled=True))


def test_an_array_of_another_shape_or_size() -> None:
    data = saved(np.zeros((4, 3), np.float32))
    assert read_npy(data, [None, 3]).shape == (4, 3)
    for shape in ([4], [4, 3, 1], [3, 4], [None, 4]):
        with pytest.raises(FileProblemError, match=r"got \(4, 3\)"):
            read_npy(data, shape)
    with pytest.raises(FileTooLargeError):
        read_npy(data, caps=ArrayCaps(size=10))
    with pytest.raises(FileProblemError, match="0 bytes follow"):
        read_npy(data[: -4 * 12])


def test_safetensors_read_as_the_library_reads_them() -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(0)
    arrays = {
        "w": rng.normal(size=(3, 4)).astype(np.float32),
        "b": rng.normal(size=4),
        "n": rng.integers(0, 9, (2, 2)),
        "none": np.zeros((0, 3), np.float16),
    }
    data = numpy.save(arrays, metadata={"made": "here"})
    found = read_safetensors(data)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@given(st.binary(max_size=60))
def test_no_bytes_escape_the_array_readers(data: bytes) -> None:
    for read, start in ((read_npy, b"\x93NUMPY\x01\x00"), (read_safetensors, len(data).to_bytes(8, "little"))):
        for each in (data, start + data):
            with contextlib.suppress(FileProblemError):
                read(each)  # type: ignore[operator]


def test_what_only_an_unpickler_reads_is_refused() -> None:
    import pickle

    for protocol in range(6):
        if protocol != 1:  # its text form may start as any text does
            data = pickle.dumps(io.BytesIO if protocol < 2 else {"a": 1}, protocol)
            with pytest.raises(FileProblemError, match="pickle"):
                refuse_pickle(data)
    with pytest.raises(FileProblemError, match="called like one"):
        refuse_pickle(b"x", "model.PKL")
    for fine in (b"", b"\x80", b"id,y\na,1\n", json.dumps([1.5]).encode(), saved(np.zeros(3))):
        refuse_pickle(fine, "x.csv")


def picture(mode: str, kind: str, **extra: object) -> bytes:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(1)
    bands = len(image.new(mode, (1, 1)).getbands())
    pixels = rng.integers(0, 256, (20, 30, bands) if bands > 1 else (20, 30), np.uint8)
    out = io.BytesIO()
    image.fromarray(pixels).convert(mode).save(out, kind, **extra)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind", "kept"),
    [("RGB", "PNG", "RGB"), ("RGBA", "PNG", "RGBA"), ("L", "PNG", "L"), ("P", "GIF", "RGB"), ("RGBA", "WEBP", "RGBA")],
)
def test_a_picture_keeps_its_pixels(mode: str, kind: str, kept: str) -> None:
    image = pytest.importorskip("PIL.Image")
    data = picture(mode, kind, **({"lossless": True} if kind == "WEBP" else {}))
    with image.open(io.BytesIO(data)) as before, image.open(io.BytesIO(safe_image(data))) as after:
        assert after.format == "PNG"
        assert after.mode == kept
        np.testing.assert_array_equal(np.asarray(after), np.asarray(before.convert(kept)))


def test_a_picture_is_turned_and_loses_all_else() -> None:
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    exif[0x010E] = "where I live"
    data = picture("RGB", "JPEG", exif=exif, comment=b"secret")
    again = safe_image(data)
    with image.open(io.BytesIO(again)) as found:
        assert found.size == (20, 30)
        assert not found.getexif()
        assert not found.info
    assert b"where I live" in data
    assert b"where I live" not in again


def test_a_cmyk_picture_and_an_animation_are_shown_as_one_picture() -> None:
    image = pytest.importorskip("PIL.Image")
    frames = [image.new("RGB", (5, 5), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    for data in (out.getvalue(), picture("CMYK", "JPEG")):
        with image.open(io.BytesIO(safe_image(data))) as found:
            assert getattr(found, "n_frames", 1) == 1
            assert found.mode == "RGB"


def test_picture_caps() -> None:
    data = picture("RGB", "PNG")
    with pytest.raises(FileTooLargeError, match="30 × 20"):
        safe_image(data, ImageCaps(pixels=599))
    with pytest.raises(FileTooLargeError, match="30 × 20"):
        safe_image(data, ImageCaps(side=29))
    with pytest.raises(FileTooLargeError, match="at most 10 bytes"):
        safe_image(data, ImageCaps(size=10))
    big = picture("L", "PNG")[:16] + (12_000).to_bytes(4, "big") * 2  # within what the library only warns of
    with pytest.raises(FileProblemError):
        safe_image(big + picture("L", "PNG")[24:])
