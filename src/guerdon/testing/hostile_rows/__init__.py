"""The hostile inputs, one module for each kind: living too long or too large, reaching out, lying."""
