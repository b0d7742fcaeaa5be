"""What runs inside the child processes of the rewards. Standard library only, until a worker needs more."""
