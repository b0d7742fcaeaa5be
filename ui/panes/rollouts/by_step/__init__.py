"""One step of a run: its prompts, and the group of completions of the chosen one."""
