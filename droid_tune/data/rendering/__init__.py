"""From rows to what the model sees: turns, chat template, tokens, and which of them are learnt."""
