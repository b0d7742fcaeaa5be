"""Episodes: rows that speak in turns, with an environment that answers between them."""
