import doctest
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_page_on_preferences_runs():
    failed, tried = doctest.testfile(str(ROOT / "docs" / "preferences.md"), module_relative=False)
    assert tried > 20
    assert failed == 0


def test_the_room_imports_nothing_heavy():
    heavy = ("scipy", "sklearn", "pyarrow", "torch", "pandas", "trueskill", "openskill", "sqlalchemy")
    code = f"import sys, guerdon.prefer; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_nothing_else_is():
    import guerdon.prefer

    for name in guerdon.prefer.__all__:
        assert getattr(guerdon.prefer, name) is not None
    assert sorted(guerdon.prefer._HOME_OF) == sorted(guerdon.prefer.__all__)
    with pytest.raises(AttributeError):
        assert guerdon.prefer.nothing
