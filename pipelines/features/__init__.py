"""What is known of members, media and the moment, as of the start of each day."""
