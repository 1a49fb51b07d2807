"""What expressions are, and what follows from them: labels, types, bounds and lifetimes."""
