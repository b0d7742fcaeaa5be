"""Item models: lists and tables that views scroll."""
