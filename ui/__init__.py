"""The application: panes draw state and hold none; the engine is reached through `ui.engine_worker` only."""
