"""Configs as files: read, laid over one another, and what is wrong with them in words."""
