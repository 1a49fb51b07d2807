"""A plan carried out by workflows and workers of the user's own cluster."""
