"""`guerdon constrained-rlhf`: train, find thresholds, make prompts of daily_dialog."""

from guerdon.systems.constrained_rlhf.command import main

if __name__ == "__main__":
    main()
