"""The machine (floor 0): its memory, its chip, how short it runs, and how much of it a run may take."""
