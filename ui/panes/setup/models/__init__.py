"""Models looked for, weighed and fetched where one is chosen."""
