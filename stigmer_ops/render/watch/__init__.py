"""The live view: a screen with keys, or a line for each refresh."""
