"""Benchmarks against peers, by rules that are code: see `docs/benchmarks.md`."""
