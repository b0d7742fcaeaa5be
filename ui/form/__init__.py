"""A form made from the config's own words, and its editors."""
