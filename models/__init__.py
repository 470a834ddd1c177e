"""The two anomaly models in plain torch, and how they are fitted. Imports nothing else of ours."""
