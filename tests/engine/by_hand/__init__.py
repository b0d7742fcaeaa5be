"""Losses computed a second time, in NumPy and float64, from the papers' formulas: nothing of the engine is imported.

A function takes the values that are differentiated (`x`), the point at which what carries no gradient is taken (`at`), and
the method's settings under TRL's names. Padding is never looked at.
"""
