import doctest
from pathlib import Path

import numpy as np
import pytest

from guerdon.core.errors import SolverError
from guerdon.search import Centre, Parents, load_state, save_state
from guerdon.search.saving import read, write

ROOT = Path(__file__).parents[2]


def test_the_page_on_search_runs():
    failed, tried = doctest.testfile(str(ROOT / "docs" / "search.md"), module_relative=False)
    assert tried > 20
    assert failed == 0


def test_objects_are_never_written_and_another_kind_is_never_read(tmp_path):
    with pytest.raises(SolverError, match="objects"):
        write(tmp_path, "thing", {"bad": np.array([{}])})
    save_state(Centre(np.zeros(2), 1.0, 2.0, 3), tmp_path)
    again = load_state(Centre, tmp_path)
    assert (again.score, again.size, again.step) == (1.0, 2.0, 3)
    with pytest.raises(SolverError, match="got Centre"):
        load_state(Parents, tmp_path)


def test_pickles_and_half_written_states_are_refused(tmp_path):
    write(tmp_path, "thing", {"a": np.zeros(3)})
    np.savez(tmp_path / "arrays.npz", a=np.array([{}], dtype=object))
    with pytest.raises(SolverError, match="saved thing"):
        read(tmp_path, "thing")
    write(tmp_path, "thing", {"a": np.zeros(3)})
    (tmp_path / "state.json").write_text("[]")
    with pytest.raises(SolverError, match="saved thing"):
        read(tmp_path, "thing")
