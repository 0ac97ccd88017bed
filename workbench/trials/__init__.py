"""Trials: one run of a projection over a history, kept, continued and asked."""
