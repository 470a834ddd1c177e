"""Takt's bank beside other detectors, each by thresholds that good pictures alone give.

`worlds` says what is learned of a set and what is asked, `detectors` who answers, `trained` fits
EfficientAD and INP-Former by Takt's own commands, and `report` makes the tables. `anomalib_side` is
run by another interpreter, which has anomalib; it imports nothing of Takt.
"""
