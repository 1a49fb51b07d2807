"""What is known of an incident, gathered for a page that people pass on."""
