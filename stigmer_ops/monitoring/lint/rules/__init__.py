"""The lint rules, by what they look at."""
