"""The online service: from a picture's bytes to a verdict; it never imports torch.

`cli.py` starts it, `server` runs it, and `app.py` puts the rooms together; each room imports
those below it only, as the layers contract in pyproject.toml says. Start reading at
`core/inspection/pipeline.py`, through which every picture goes.
"""
