"""Children that run tools and environments; what they import is told in `rewards/workers`."""
