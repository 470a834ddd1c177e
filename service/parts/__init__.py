"""What a server has besides the inspection itself, one module for each part.

May import `api`, `console` and the rooms below them; only the app and what stands above it import
this one. Start reading at `composing`, which says what a part is and puts the parts together.
"""
