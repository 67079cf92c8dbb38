"""The figures of a run, each with the table that it is drawn from."""
