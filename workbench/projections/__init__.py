"""Projections: what turns events into tables, and how each kind of them is run."""
