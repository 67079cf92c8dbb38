"""Who carries out the training jobs and score units of a plan."""
