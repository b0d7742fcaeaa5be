"""Model folders (floor 1): what one is, what it holds, where they are; no weight is ever read."""
