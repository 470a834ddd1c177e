"""PyTriton: the tritonserver binary (HTTP, dynamic batches), and Python callables for the job.

Clients speak the Open Inference Protocol with its binary extension; a JPEG is one BYTES element.
"""

from collections.abc import Callable

import job
import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


def make_callable() -> Callable[..., dict[str, np.ndarray]]:
    """The job as PyTriton wants it, with a session of its own."""
    session = job.make_session()

    @batch
    def infer(jpeg: np.ndarray) -> dict[str, np.ndarray]:
        answers = job.run_batch(session, [row[0] for row in jpeg])
        stats = [[a["map_min"], a["map_max"], a["map_mean"]] for a in answers]
        return {
            "score": np.array([[a["score"]] for a in answers], np.float32),
            "stats": np.array(stats, np.float32),
        }

    return infer


def serve() -> None:
    """Serve until a signal."""
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=job.PORT,
        grpc_address="127.0.0.1",
        grpc_port=job.PORT + 1000,
        metrics_port=job.PORT + 2000,
        http_thread_count=4,
    )
    batcher = DynamicBatcher(max_queue_delay_microseconds=int(job.DELAY_MS * 1000))
    with Triton(config=config) as triton:
        triton.bind(
            model_name="predict",
            infer_func=[make_callable() for _ in range(job.WORKERS)],
            inputs=[Tensor(name="jpeg", dtype=bytes, shape=(1,))],
            outputs=[
                Tensor(name="score", dtype=np.float32, shape=(1,)),
                Tensor(name="stats", dtype=np.float32, shape=(3,)),
            ],
            config=ModelConfig(max_batch_size=job.MAX_BATCH, batching=True, batcher=batcher),
        )
        triton.serve()


if __name__ == "__main__":
    serve()
