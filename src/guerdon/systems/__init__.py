"""Published systems, one folder each, named by its slug."""
