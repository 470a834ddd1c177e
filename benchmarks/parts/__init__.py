"""Parts of several views: recipes that change under load, and good parts that are rejected."""
