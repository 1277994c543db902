"""Check, score and compare result files."""

import sys

from guerdon.systems.v3det.command import main

if __name__ == "__main__":
    sys.exit(main())
