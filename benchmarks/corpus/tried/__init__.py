"""What was tried on the corpus and is not in the product, with its figures: see README.md."""
