"""Numerics: regressions over many targets, and scores that know how noisy the data is."""
