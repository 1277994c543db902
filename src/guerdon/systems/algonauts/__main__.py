"""Make a challenge of your own responses, encode, check and score."""

from guerdon.systems.algonauts.commands import main

if __name__ == "__main__":
    main()
