"""The outlet to an MQTT broker: verdicts by topic, and whether the server is there.

Imports `core`, `declaration` and `observing`. Start reading at `outlet.py`, which makes the outlet
of the settings; `carrier.py` sends what the spool has, `connection.py` is the one place where paho
is asked, `client.py` holds a broker to what paho does not, `broker.py` says where the broker is and
`topics.py` what is published where.
"""
