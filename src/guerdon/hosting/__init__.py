"""Hosting a contest: people, phases, limits, submissions, the queue, boards and comparisons. No pages."""
