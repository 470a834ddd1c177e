"""LitServe: a batched LitAPI, worker processes, a raw JPEG body, its ZeroMQ queue."""

from typing import Annotated

import job
import litserve as ls
import numpy as np
from fastapi import Body

Jpeg = Annotated[bytes, Body(media_type="image/jpeg")]
"""LitServe reads JSON or a form unless the type of the request says otherwise."""


class Inspect(ls.LitAPI):
    """Each worker has a session; a picture is decoded by the worker."""

    def setup(self, device: str) -> None:
        """Load the model."""
        self.session = job.make_session()

    def decode_request(self, request: Jpeg) -> np.ndarray:
        """Body -> model input."""
        return job.preprocess(request)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        """Inputs -> a batch."""
        return np.stack(inputs)

    def predict(self, x: np.ndarray) -> list[job.Answer]:
        """A batch -> answers."""
        return job.infer(self.session, x)

    def unbatch(self, output: list[job.Answer]) -> list[job.Answer]:
        """They are apart already."""
        return output

    # LitServe would have FastAPI check each answer against a type of the return value.
    def encode_response(self, output: job.Answer):
        """It is JSON already."""
        return output


if __name__ == "__main__":
    server = ls.LitServer(
        Inspect(max_batch_size=job.MAX_BATCH, batch_timeout=job.DELAY_MS / 1e3),
        accelerator="cpu",
        workers_per_device=job.WORKERS,
        timeout=30,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=job.PORT,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
