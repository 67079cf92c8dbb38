"""What adapters of datasets are made of: rules for paths, and the datasets' own lists."""
