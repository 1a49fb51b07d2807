"""Before a deployment, and the half hour after it."""
