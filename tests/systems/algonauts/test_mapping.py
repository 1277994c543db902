import contextlib
import io
import os
import pickle

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.systems.algonauts.mapping import read_mapping, write_mapping

NAMES = {0: "Unknown", 1: "V1v", 300: "hV4", 70_000: "ä"}


def saved(path, value, protocol):
    """As numpy keeps an object, with a protocol of choice."""
    box = np.empty((), dtype=object)
    box[()] = value
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    path.write_bytes(file.getvalue() + pickle.dumps(box, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [int, np.int64, np.int32, np.uint8])
def test_every_protocol_and_kind_of_label_is_read(tmp_path, protocol, kind):
    names = {kind(label): name for label, name in NAMES.items() if kind is not np.uint8 or label < 256}
    path = saved(tmp_path / "mapping.npy", names, protocol)
    assert read_mapping(path) == np.load(path, allow_pickle=True).item() == {int(k): v for k, v in names.items()}


def test_what_is_written_is_what_entrants_read(tmp_path):
    write_mapping(tmp_path / "m.npy", NAMES)
    assert np.load(tmp_path / "m.npy", allow_pickle=True).item() == NAMES == read_mapping(tmp_path / "m.npy")


class Evil:
    def __init__(self, call, *arguments):
        self.parts = call, arguments

    def __reduce__(self):
        return self.parts


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("call", [os.system, eval, print, np.load])
def test_nothing_in_a_file_is_ever_called(tmp_path, protocol, call, capsys):
    path = saved(tmp_path / "m.npy", {1: Evil(call, "print('called')")}, protocol)
    with pytest.raises(ConfigError, match="the name"):
        read_mapping(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "value", [[1, 2], {"V1": 1}, {1: 2}, {1.5: "V1"}, {1: None}, {(1,): "a"}, "text", {1: {2: "a"}}, {True: "a"}]
)
def test_other_things_are_refused(tmp_path, value):
    with pytest.raises(ConfigError, match="labels and names"):
        read_mapping(saved(tmp_path / "m.npy", value, 4))


def test_damaged_files_are_refused(tmp_path):
    whole = saved(tmp_path / "m.npy", NAMES, 2).read_bytes()
    rng = np.random.default_rng(0)
    for at in range(0, len(whole), 3):
        (tmp_path / "m.npy").write_bytes(whole[:at])
        with pytest.raises(ConfigError):
            read_mapping(tmp_path / "m.npy")
        broken = bytearray(whole)
        broken[at] = rng.integers(256)
        (tmp_path / "m.npy").write_bytes(broken)
        with contextlib.suppress(ConfigError):
            read_mapping(tmp_path / "m.npy")
