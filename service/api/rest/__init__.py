"""Pictures, models and health over REST."""
