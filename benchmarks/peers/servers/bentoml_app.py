"""BentoML: one service, a batchable API that takes multipart JPEGs, adaptive batches per worker."""

import os
import sys
from pathlib import Path

import bentoml
import job

LATENCY_MS = 5000
"""BentoML's objective: it refuses with 503 what would take longer."""


@bentoml.service(
    workers=job.WORKERS,
    traffic={"timeout": 30, "max_concurrency": 1024},
    threads=1,
    metrics={"enabled": True},
    logging={"access": {"enabled": False}},
)
class Inspect:
    """The whole job, a batch at a time."""

    def __init__(self) -> None:
        self.session = job.make_session()

    @bentoml.api(
        route="/predict", batchable=True, max_batch_size=job.MAX_BATCH, max_latency_ms=LATENCY_MS
    )
    def predict(self, images: list[Path]) -> list[dict]:
        """A batch of pictures, which BentoML has put into files, -> answers."""
        return job.run_batch(self.session, [path.read_bytes() for path in images])


if __name__ == "__main__":
    bento = Path(sys.executable).with_name("bentoml")
    here = str(Path(__file__).resolve().parent)
    address = ["--host", "127.0.0.1", "--port", str(job.PORT)]
    command = ["bentoml", "serve", "bentoml_app:Inspect", "--working-dir", here, *address]
    os.execv(bento, command)
