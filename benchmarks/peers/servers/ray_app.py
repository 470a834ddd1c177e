"""Ray Serve: `serve.batch` inside replicas."""

import os
import signal
import threading
from pathlib import Path

import job
import ray
from ray import serve
from starlette.requests import Request


@serve.deployment(
    num_replicas=job.WORKERS, max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.5}
)
class Inspect:
    """The whole job, a batch at a time."""

    def __init__(self) -> None:
        self.session = job.make_session()

    @serve.batch(max_batch_size=job.MAX_BATCH, batch_wait_timeout_s=job.DELAY_MS / 1e3)
    async def run(self, jpegs: list[bytes]) -> list[job.Answer]:
        """A batch of pictures -> answers."""
        return job.run_batch(self.session, jpegs)

    async def __call__(self, request: Request) -> job.Answer:
        """A request waits for its batch."""
        return await self.run(await request.body())


def main() -> None:
    """Serve until a signal."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("BENCH_")}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": environment},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": job.PORT, "access_log": False})
    serve.run(Inspect.bind(), route_prefix="/")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
