import sys
from pathlib import Path

import pytest

collect_ignore = ["worlds_kit.py"]  # it needs Gymnasium to be imported at all
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def kit():
    """The small worlds; skips where Gymnasium is not installed."""
    pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
    import worlds_kit

    return worlds_kit
