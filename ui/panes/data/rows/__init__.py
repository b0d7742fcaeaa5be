"""The rows, and one of them whole."""
