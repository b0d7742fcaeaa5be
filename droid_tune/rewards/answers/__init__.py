"""Reading the answer in a completion, and whether it is the answer that the row wants."""
