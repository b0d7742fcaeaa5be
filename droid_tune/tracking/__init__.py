"""Other programs that draw a run's curves (floor 1): the same numbers as its own log, neither broken nor doubled."""
