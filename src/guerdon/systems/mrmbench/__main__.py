"""Probe reward models by dimension of preference."""

from guerdon.systems.mrmbench.command import main

if __name__ == "__main__":
    main()
