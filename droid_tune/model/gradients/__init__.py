"""Log-probabilities of rows and the gradients of a loss over them, in micro-batches that fit."""
