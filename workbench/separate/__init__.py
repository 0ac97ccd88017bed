"""Replaying code that this process has not loaded, in a process of its own.

Its projection may be of another git revision, or of a file that was changed since this process
imported it. The process is given the events in a file, as the history has them: with its
masks and edits, deciphered, up to the head as it is; so it needs neither the store nor its key.
"""
