"""Who comes in: login, sessions, and what every answer's headers say."""
