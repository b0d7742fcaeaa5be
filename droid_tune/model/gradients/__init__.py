"""Log-probabilities of rows and the gradients of a loss over them, in portions that fit."""
