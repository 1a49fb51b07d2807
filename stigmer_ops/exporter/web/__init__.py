"""How the metrics are served: addresses, TLS and passwords."""
