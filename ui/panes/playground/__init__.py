"""Ask the model."""
