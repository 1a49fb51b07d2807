"""Everything that is said to Stigmer, over gRPC."""
