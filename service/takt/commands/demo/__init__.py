"""`takt demo`: a made-up part, its model in the wheel, and a server that inspects it.

`part.py` draws the part, `shipped.py` has the model, which `benchmarks/demo_model.py` makes;
`serving.py` has the server's process and `asking.py` asks it, for `examples/demo.py` too. It
imports `core` alone. Start reading at `command.py`.
"""
