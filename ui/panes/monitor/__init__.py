"""The run as it goes."""
