"""Scores, records, metrics: everything computed from scores, without torch or the images."""
