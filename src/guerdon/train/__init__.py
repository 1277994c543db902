"""Training: advantages, losses and policies, as pure functions and small parts. Needs the extra `train`."""
