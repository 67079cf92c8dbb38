"""What would make a dataset's numbers mean less: found before anything is trained on it."""
