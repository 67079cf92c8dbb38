"""Studies: what is to be run, bound to its data, planned once, carried out."""
