"""The order in which rows are drawn: as the seed has it, or by what they teach."""
