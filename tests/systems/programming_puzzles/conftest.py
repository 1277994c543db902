import sys
from pathlib import Path

# Tests of this folder share stand-ins, so they must be an importable module.
sys.path.insert(0, str(Path(__file__).parent))
