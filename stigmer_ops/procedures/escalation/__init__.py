"""Where to go with an incident, and what to take there."""
