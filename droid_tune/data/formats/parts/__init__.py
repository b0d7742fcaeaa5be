"""What several row formats share."""
