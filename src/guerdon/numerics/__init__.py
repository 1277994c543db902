"""Numerics: regressions over many targets, and scores that know how noisy the data is.

- `ridge`: one penalty for each of tens of thousands of targets, by cross-validation, within a memory bound.
- `reduce`: standardised features and principal components.
- `noise`: sessions, repeats, signal to noise, noise ceilings.
- `scores`: correlations as a share of the ceiling, with errors over items.
"""
