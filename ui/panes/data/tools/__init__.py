"""Changes to the data, previewed."""
