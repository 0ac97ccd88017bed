"""Compatibility: what changed from one schema to another, and which stored events that breaks."""
