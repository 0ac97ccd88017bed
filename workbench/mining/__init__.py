"""Writing a history as a process-mining log, such as other tools read."""
