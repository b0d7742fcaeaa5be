"""The methods, each a recipe of settings."""
