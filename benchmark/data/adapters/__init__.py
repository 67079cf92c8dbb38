"""Datasets as they lie on disk, read into manifests."""
