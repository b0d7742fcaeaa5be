"""Sampling completions: filters over logits, batched generation and the rollout they make."""
