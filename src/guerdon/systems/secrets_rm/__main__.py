"""Measure, look at and use the strength of preferences."""

from guerdon.systems.secrets_rm.command import main

if __name__ == "__main__":
    main()
