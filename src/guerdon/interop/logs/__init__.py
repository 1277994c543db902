"""Logs that other evaluators wrote, as runs of the ledger: Inspect's, and lm-evaluation-harness's."""

from guerdon.interop.logs.recording import Compared, Imported, import_logs, is_log, open_log, record
from guerdon.interop.logs.things import Claimed, Log, Sample, Skipped

__all__ = ["Claimed", "Compared", "Imported", "Log", "Sample", "Skipped", "import_logs", "is_log", "open_log", "record"]
