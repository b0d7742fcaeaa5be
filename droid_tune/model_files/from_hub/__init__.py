"""What the Hugging Face Hub is asked for: models by words, their files, and why it says no."""
