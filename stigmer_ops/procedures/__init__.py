"""What is done in several steps: writes with their proof, deployments, maintenance."""
