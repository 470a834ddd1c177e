"""The outlets to URLs: verdicts posted and signed as Standard Webhooks (standardwebhooks.com).

Imports `core`, `declaration` and `observing`. Start reading at `outlet.py`, which makes an outlet
of each URL; `carrier.py` posts what the spool has and says what an answer means, `file.py` reads
the URLs and secrets, `signing.py` signs, `addresses.py` refuses private addresses and `posting.py`
has the few lines of HTTP.
"""
