"""Load, memory, temperature and power of NVIDIA's GPUs, by NVML, whenever Prometheus asks."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

logger = logging.getLogger("takt.gpu")

_GAUGES: dict[str, tuple[str, Callable[[Any, Any], float]]] = {
    "takt_gpu_utilization_ratio": (
        "Share of the last moment in which the GPU worked.",
        lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,
    ),
    "takt_gpu_memory_used_bytes": (
        "Memory of the GPU that is in use, by whomever.",
        lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used,
    ),
    "takt_gpu_memory_total_bytes": (
        "Memory of the GPU.",
        lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).total,
    ),
    "takt_gpu_temperature_celsius": (
        "Temperature of the GPU.",
        lambda nvml, gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
    ),
    "takt_gpu_power_watts": (
        "Power that the GPU draws.",
        lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    ),
}
"""By name: the help text, and what reads the value from NVML."""


class GpuCollector(Collector):
    """Reads every GPU of the host; a driver may take its time to answer.

    Args:
        nvml: the module of nvidia-ml-py, initialised.
    """

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._failed = False

    def describe(self) -> list[Metric]:
        """The metrics' names, for which no GPU is read."""
        return list(self._families().values())

    def collect(self) -> Iterator[Metric]:
        """The metrics; a GPU that does not report a value has none."""
        nvml = self._nvml
        families = self._families()
        try:
            for index in range(nvml.nvmlDeviceGetCount()):
                gpu = nvml.nvmlDeviceGetHandleByIndex(index)
                for name, (_, read) in _GAUGES.items():
                    with contextlib.suppress(nvml.NVMLError):
                        families[name].add_metric((str(index),), float(read(nvml, gpu)))
        except nvml.NVMLError as error:
            if not self._failed:
                logger.warning("the GPUs' figures cannot be read: %s", error)
            self._failed = True
        yield from families.values()

    def _families(self) -> dict[str, GaugeMetricFamily]:
        return {
            name: GaugeMetricFamily(name, text, labels=("gpu",))
            for name, (text, _) in _GAUGES.items()
        }


def find_gpus() -> GpuCollector | None:
    """A collector for the GPUs; None where nvidia-ml-py is missing or finds no driver.

    NVML stays initialised for as long as the process runs; the driver lets go of it then.
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
