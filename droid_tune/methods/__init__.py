"""What a training method is made of: advantages, losses and the recipes that combine them."""
