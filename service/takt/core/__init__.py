"""What a picture needs: formats, tensors, bundles, engines, batches and the verdict.

It stands alone, so that a program may inspect pictures without a server: it imports nothing of the
rooms around it, no settings, no web framework and no metrics. Start reading at
`inspection/pipeline.py`, through which every picture goes.
"""
