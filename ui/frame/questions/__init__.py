"""What the window asks and offers: inline above the pane, or in a sheet where something would be lost."""
