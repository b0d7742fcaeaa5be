"""One file per pane; each draws what the session holds."""
