"""The server as an application of Ray Serve: each replica is the whole of it.

Imports `api`, `app`, `configuration`, `core`, `mirroring`, `observing`, `parts`, `peers`,
`recording`, `repository`, `security` and `settings`. It needs the extra `ray`, and nothing imports
it but Ray, by the path `takt.ray.application:build`. Start reading at `application.py`, which
Ray calls; `replica.py` is what a replica does, `given.py` has its settings and `share.py` sizes
them to its part of the node. By `load.py` and `scaling.py` Ray finds the number of replicas; by
`running.py` a replica finds when it is to end; `metrics_of_all.py` and `mounted.py` are layers of
the application.
"""
