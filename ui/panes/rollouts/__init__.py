"""What the model wrote."""
