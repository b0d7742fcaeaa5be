"""Runs that wait for their turn (floor 1): a folder of configs with states, and who works it off."""
