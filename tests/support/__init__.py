"""What several tests need: real listeners to stand in Temporal's way, and the command line."""
