"""Takt on Ray Serve for the comparison: the bundle of BENCH_MODEL in BENCH_BUNDLES on BENCH_PORT.

Ray is as `benchmarks/peers/servers/ray_app.py` has it: one node of two cores, and replicas that
have them between them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import ray
from ray import serve

from service.ray.application import DEPLOYMENT

REPLICAS = int(os.environ.get("BENCH_WORKERS", "2"))
MAX_BATCH = int(os.environ.get("BENCH_MAX_BATCH", "8"))
"""As the plain application has it."""
CORES = 2


def main() -> None:
    """Serve until a signal."""
    repository = Path(os.environ["BENCH_BUNDLES"]) / os.environ["BENCH_MODEL"]
    config = {
        "http_options": {"host": "127.0.0.1", "port": int(os.environ["BENCH_PORT"])},
        "applications": [
            {
                "name": "takt",
                "import_path": "service.ray.application:build",
                "args": {
                    "repository": str(repository),
                    "insecure": True,
                    "max_batch_size": MAX_BATCH,
                },
                "deployments": [
                    {
                        "name": DEPLOYMENT,
                        "num_replicas": REPLICAS,
                        "ray_actor_options": {"num_cpus": CORES / REPLICAS},
                    }
                ],
            }
        ],
    }
    node = ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        # JSON is YAML.
        json.dump(config, file)
        file.flush()
        command = [Path(sys.executable).with_name("serve"), "run", "--non-blocking"]
        address = node.address_info["gcs_address"]
        subprocess.run([*command, "--address", address, file.name], check=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
