"""What a server has besides the inspection itself, one module for each part.

Imports `api`, `configuration`, `console`, `core`, `learning`, `multiview`, `observing`, `outlets`,
`peers`, `recording`, `repository`, `security`, `settings`, `stations` and `streaming`. Start
reading at `composing`, which says what a part is and puts the parts together.
"""
