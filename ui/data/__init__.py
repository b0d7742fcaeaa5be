"""Parts of the Data pane: one view per file."""
