"""Submissions: packed from a run, checked against the keeper's labels, added to the entries."""
