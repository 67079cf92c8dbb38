"""Everything about images and their tables: manifests, decoding, checks, the embedded set."""
