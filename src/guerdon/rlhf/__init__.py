"""What joins preferences, training and worlds: a small world to try methods in, kept rewards, audits, serving."""
