"""Losses of preference learning: pairs of a chosen and a rejected answer, and single answers with a verdict.

The mathematics is ALGORITHMS2.md's (TRL 1.16); a loss is a sum over pairs (or rows), as in the rest of this room, so that
micro-batches of any size give the same number. What depends on a whole batch is counted or computed before and handed in.
"""
