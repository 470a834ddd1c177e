"""What outlets cost, and how soon they tell."""
