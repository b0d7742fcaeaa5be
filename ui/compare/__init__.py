"""Two to four runs beside one another, in a window of its own."""
