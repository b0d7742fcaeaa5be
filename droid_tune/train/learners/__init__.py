"""How the methods learn: what each gathers for one update."""
