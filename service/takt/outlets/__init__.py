"""Outlets: where answers go beside the caller, each behind a queue and a thread of its own.

Imports `core`, `declaration` and `observing`. Start reading at `plugin.py`, which is what the
author of an outlet sees; `queued.py` keeps it from the line, and `opening.py` opens and closes
those that the settings name. Those to a broker (`mqtt`) and to URLs (`webhooks`) are built in:
`kept.py` has their messages on the disk until `forwarding.py` has delivered them, and
`delivery.py` does the same for a plugin. The protocol of an outlet stands in
`takt/observing/records.py`, beside what it takes. The record is the first outlet.
"""
