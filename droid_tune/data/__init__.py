"""Data (floor 1): rows of every common format, checked honestly, read on demand, converted and measured."""
