"""`takt doctor`: what this host can run, what is missing for the rest, and what brings it."""
