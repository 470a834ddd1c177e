"""A bank of good features: how well it finds defects, what it rejects, how fast it answers.

`splits` fits banks to parts of a set for `benchmarks.false_rejects`; `accuracy`, `speed` and
`beside_anomalib` ask running servers; `large_bank` tells what a bank of anomalib's recipe costs.
It imports `models/`, `export/`, `service/` and `benchmarks/corpus/`.
"""
