"""Droid Tune for assistant programs (floor 1): the command line as tools of the Model Context Protocol."""
