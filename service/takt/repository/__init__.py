"""Which versions of a model there are, and which one answers.

Imports `core`, `mirroring`, `observing`, `peers`, `recording` and `settings`. Start reading at
`repository.py`: a repository has a `Model` for each name, a model has a `ModelVersion` for each
folder; `supervision` keeps its engines at work. `replaying` asks recorded inspections again;
`pruning.py` removes versions that neither a server nor the record needs.
"""
