"""Projections that are tried out in a notebook's cell: run again, held against the last run."""
