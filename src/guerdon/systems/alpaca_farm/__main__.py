"""Annotate pairs, compare models, and compare leaderboards."""

from guerdon.systems.alpaca_farm.commands import main

if __name__ == "__main__":
    main()
