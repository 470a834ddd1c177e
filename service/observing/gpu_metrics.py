"""What NVIDIA's GPUs are at, by NVML, whenever Prometheus asks; nothing where there is none."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

logger = logging.getLogger("takt.gpu")

_GAUGES = {
    "takt_gpu_utilization_ratio": "Share of the last moment in which the GPU worked.",
    "takt_gpu_memory_used_bytes": "Memory of the GPU that is in use, by whomever.",
    "takt_gpu_memory_total_bytes": "Memory of the GPU.",
    "takt_gpu_temperature_celsius": "Temperature of the GPU.",
    "takt_gpu_power_watts": "Power that the GPU draws.",
}


class GpuCollector(Collector):
    """Reads every GPU of the host; a driver may take its time to answer.

    Args:
        nvml: nvidia-ml-py's module, initialised.
    """

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._failed = False

    def describe(self) -> list[Metric]:
        """What the registry learns of it without asking the GPUs."""
        return [GaugeMetricFamily(name, text) for name, text in _GAUGES.items()]

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads; a figure that a GPU does not tell is left out."""
        families = {
            name: GaugeMetricFamily(name, text, labels=("gpu",)) for name, text in _GAUGES.items()
        }
        try:
            for index in range(self._nvml.nvmlDeviceGetCount()):
                for name, value in self._read(self._nvml.nvmlDeviceGetHandleByIndex(index)):
                    families[name].add_metric((str(index),), value)
        except self._nvml.NVMLError as error:
            if not self._failed:
                logger.warning("the GPUs' figures cannot be read: %s", error)
            self._failed = True
        yield from families.values()

    def _read(self, device: Any) -> Iterator[tuple[str, float]]:
        nvml = self._nvml
        readers: dict[str, Callable[[], Any]] = {
            "takt_gpu_utilization_ratio": lambda: (
                nvml.nvmlDeviceGetUtilizationRates(device).gpu / 100
            ),
            "takt_gpu_memory_used_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(device).used,
            "takt_gpu_memory_total_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(device).total,
            "takt_gpu_temperature_celsius": lambda: nvml.nvmlDeviceGetTemperature(
                device, nvml.NVML_TEMPERATURE_GPU
            ),
            "takt_gpu_power_watts": lambda: nvml.nvmlDeviceGetPowerUsage(device) / 1000,
        }
        for name, read in readers.items():
            try:
                value = float(read())
            except nvml.NVMLError:
                continue
            yield name, value


def find_gpus() -> GpuCollector | None:
    """What reads the GPUs' figures, where nvidia-ml-py is installed and finds a driver.

    It stays initialised for as long as the process runs; the driver lets go of it then.
    """
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return GpuCollector(nvml)
