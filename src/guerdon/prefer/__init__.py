"""Preferences: rankings, and the queue in which people are asked."""
