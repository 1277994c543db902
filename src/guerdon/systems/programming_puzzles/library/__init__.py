"""The generators of the packaged puzzle set, one module per field."""
