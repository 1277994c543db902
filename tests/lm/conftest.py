"""Makes `fake_server.py` importable as `lm_fake`: tests are no package."""

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("lm_fake", Path(__file__).with_name("fake_server.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["lm_fake"] = _module
_spec.loader.exec_module(_module)
