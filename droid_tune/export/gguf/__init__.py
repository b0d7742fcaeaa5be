"""A result as one GGUF file, through the `gguf` package; what is known here of llama.cpp is facts of its format."""
