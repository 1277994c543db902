import sys
from pathlib import Path

# The benchmarks are a package of the checkout, not of the installation.
sys.path.insert(0, str(Path(__file__).parents[2]))
