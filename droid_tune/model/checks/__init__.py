"""What is proven of a loaded model before anything is built on it."""
