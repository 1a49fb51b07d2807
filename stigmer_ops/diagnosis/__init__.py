"""Why activities are stuck: both sides of the handshake read, joined and judged."""
