"""What the application is doing, part by part; `ui.session` puts the parts together."""
