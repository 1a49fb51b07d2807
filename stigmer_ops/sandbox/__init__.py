"""An embedded Temporal server with a simulated Zigflow and Stigmer, and their faults."""
