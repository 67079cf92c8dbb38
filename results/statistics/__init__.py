"""How sure a number is: resamples, intervals, ranks, clusters."""
