"""Upcasting every stored event with the user's classes, before a release does it in production.

The user's code runs in processes of its own, which get events and answer with counts.
"""
