"""Real servers for the tests, from wheels: on free ports, one of a kind a process, and stopped."""
