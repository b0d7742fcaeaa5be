"""From prompts to judged completions: what a rollout becomes on its way to the loss."""
