"""Draw proxy and gold reward of best-of-n under ensembles."""

from guerdon.systems.rm_ensembles.draw import main

if __name__ == "__main__":
    main()
