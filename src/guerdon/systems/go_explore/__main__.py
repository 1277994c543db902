"""Verify a recorded archive and export demos."""

from guerdon.systems.go_explore.stored import main

if __name__ == "__main__":
    main()
