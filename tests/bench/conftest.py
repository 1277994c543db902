import sys
from pathlib import Path

# Worker processes import what they judge by name, so the shared helpers must be an importable module.
sys.path.insert(0, str(Path(__file__).parent))
