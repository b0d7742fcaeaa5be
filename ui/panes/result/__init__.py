"""What the run that is shown came to."""
