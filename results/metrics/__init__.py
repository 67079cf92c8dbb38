"""Metrics of cells, from labels and scores."""
