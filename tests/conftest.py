"""What holds for all tests: no property fails because the machine was busy, and the gate draws the same examples twice.

Elsewhere than in the gate examples are fresh each time, so that new ones are still found.
"""

import os

from hypothesis import settings

settings.register_profile("guerdon", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("guerdon")
