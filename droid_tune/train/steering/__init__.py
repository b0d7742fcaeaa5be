"""What happens between two updates: wishes, early ends, memory, and what a person can mend."""
