"""What the window asks and offers inline, above the pane: never a dialog that stops the work."""
