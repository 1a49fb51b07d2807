"""The callbacks of Stigmer's workflows: each is found, read and counted once."""
