"""The audit of a reward: what can be wrong with it, measured, on one page.

found = audit(reward, pairs)           # guerdon.rlhf.audit.run
found.verdict, found.finding("length").why
write(found.document(), "audit.html")  # guerdon.rlhf.audit.page
"""

from guerdon.rlhf.audit.extras import Extras
from guerdon.rlhf.audit.findings import Finding
from guerdon.rlhf.audit.run import PROBES, Audit, audit

__all__ = ["PROBES", "Audit", "Extras", "Finding", "audit"]
