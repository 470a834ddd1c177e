"""mosec: worker processes behind its HTTP server and batcher in Rust; raw JPEG in, JSON out.

BENCH_TWO_STAGE=1 decodes in processes of its own.
"""

import os
import sys

import job
import mosec
import numpy as np


class Inspect(mosec.Worker):
    """The whole job, a batch at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.session = job.make_session()

    def deserialize(self, data: bytes) -> bytes:
        """The body is the picture."""
        return data

    def forward(self, data: list[bytes]) -> list[job.Answer]:
        """A batch of pictures -> answers."""
        return job.run_batch(self.session, data)


class Decode(mosec.Worker):
    """The first of two stages."""

    def deserialize(self, data: bytes) -> bytes:
        """The body is the picture."""
        return data

    def forward(self, data: bytes) -> np.ndarray:
        """A picture -> model input."""
        return job.preprocess(data)


class Infer(mosec.Worker):
    """The second of two stages."""

    def __init__(self) -> None:
        super().__init__()
        self.session = job.make_session()

    def forward(self, data: list[np.ndarray]) -> list[job.Answer]:
        """A batch of model inputs -> answers."""
        return job.infer(self.session, np.stack(data))


def stages() -> list[mosec.Runtime]:
    """One stage, or two."""
    # mosec takes whole milliseconds.
    batching = {"max_batch_size": job.MAX_BATCH, "max_wait_time": max(1, int(job.DELAY_MS))}
    if os.environ.get("BENCH_TWO_STAGE") == "1":
        return [mosec.Runtime(Decode, num=2), mosec.Runtime(Infer, num=1, **batching)]
    return [mosec.Runtime(Inspect, num=job.WORKERS, **batching)]


if __name__ == "__main__":
    # mosec reads its settings from the command line only.
    options = {"address": "127.0.0.1", "port": job.PORT, "log-level": "warning", "timeout": 30000}
    sys.argv[1:] = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    server = mosec.Server()
    server.register_runtime({"/predict": stages()})
    server.run()
