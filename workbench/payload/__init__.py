"""From stored bytes to JSON text, and from JSON text to typed columns, without classes."""
