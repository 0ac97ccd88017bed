"""The change log of a trial: what is written to it while a replay runs, and what it answers."""
