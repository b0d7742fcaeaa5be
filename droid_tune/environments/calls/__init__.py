"""Calls of tools as models write them: one file per family of formats, chosen by the chat template."""
