"""A plain transformer's pass over whole rows and its derivative, written out."""
