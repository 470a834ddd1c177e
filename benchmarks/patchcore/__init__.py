"""A bank of good features: what its choices give, how well it finds defects, how fast it answers.

`choices` compares ways to make the map, offline in torch; `accuracy`, `speed` and `beside_anomalib`
ask running servers; `large_bank` tells what a bank of anomalib's recipe costs. It imports
`models/`, `export/` and `service/`.
"""
