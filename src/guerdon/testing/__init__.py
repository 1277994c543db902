"""Contracts that an outsider's challenge, reward, solver, ledger or sandbox can be held to: subclass and run pytest."""
