"""Whether the run of the draft fits, how long it takes, and what keeps it from starting."""
