"""The report of a run: one page that needs nothing else, a pure function of the ledger."""

from guerdon.report.page import render, write

__all__ = ["render", "write"]
