"""Parts of several views: recipes that change under load, and parts that are rejected or found."""
