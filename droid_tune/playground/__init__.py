"""A model tried while its person watches: alone, beside its base, or in its environment (floor 4)."""
