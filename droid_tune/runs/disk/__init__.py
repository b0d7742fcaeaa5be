"""Files and folders that survive a power cut, a move and a second trainer."""
