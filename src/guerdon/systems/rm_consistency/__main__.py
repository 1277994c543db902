"""Measure and mend the consistency of rewards."""

from guerdon.systems.rm_consistency.command import main

if __name__ == "__main__":
    main()
