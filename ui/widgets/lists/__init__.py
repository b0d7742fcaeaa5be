"""Lists and tables, and how they are looked through."""
