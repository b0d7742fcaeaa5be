"""Whether what was written is what the run learnt."""
