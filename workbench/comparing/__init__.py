"""Comparing trials: where two differ, since which event, and for which few causes."""
