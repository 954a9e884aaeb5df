"""What the broker says of a laboratory, kept up to date."""
