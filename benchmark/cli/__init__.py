"""The command line: arguments to calls, and the only place that prints."""
