"""The Open Inference Protocol over gRPC, and gRPC's own health check; the setting `grpc_port`.

Imports what the modules of `takt/api` share, and of `oip` what does not depend on HTTP. Only
`takt/server/rpc_server.py` imports its modules that need gRPC, which is an extra. Start reading
at `infer.py`: `wire.py` and `messages.py` read and write, `call.py` is the edge of every call.
"""
