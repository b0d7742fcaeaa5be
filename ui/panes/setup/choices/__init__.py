"""What a run is made of: its model, its data, its method, its environment, its preset."""
