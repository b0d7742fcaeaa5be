"""What can be done with one run, in whatever pane shows it."""
