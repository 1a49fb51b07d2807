"""How many replicas of Stigmer there should be."""
