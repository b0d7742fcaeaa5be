"""Taking a run's result away: targets (one file each, `table.py` lists them) and the check of what was written."""
