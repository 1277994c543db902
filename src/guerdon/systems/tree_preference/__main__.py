"""Collect preferences from trees of responses."""

from guerdon.systems.tree_preference.command import main

if __name__ == "__main__":
    main()
