import sys
from types import ModuleType, SimpleNamespace

import pytest
from prometheus_client import generate_latest

from takt.observing.instruments.gpu_metrics import find_gpus


class NVMLError(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Stands in for nvidia-ml-py, with one GPU."""
    module = ModuleType("pynvml")
    module.NVMLError = NVMLError  # type: ignore[attr-defined]
    module.NVML_TEMPERATURE_GPU = 0  # type: ignore[attr-defined]
    answers = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetUtilizationRates": lambda device: SimpleNamespace(gpu=25, memory=3),
        "nvmlDeviceGetMemoryInfo": lambda device: SimpleNamespace(used=2 << 30, total=8 << 30),
        "nvmlDeviceGetTemperature": lambda device, sensor: 61,
        "nvmlDeviceGetPowerUsage": lambda device: 70_500,
    }
    for name, answer in answers.items():
        setattr(module, name, answer)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


def exposed() -> str:
    gpus = find_gpus()
    return generate_latest(gpus).decode() if gpus else ""


def fail(*_: object) -> None:
    raise NVMLError("it does not answer")


def test_each_gpu_tells_its_figures_in_base_units(nvml: ModuleType) -> None:
    text = exposed()
    assert 'takt_gpu_utilization_ratio{gpu="0"} 0.25' in text
    assert 'takt_gpu_memory_total_bytes{gpu="0"} 8.589934592e+09' in text
    assert 'takt_gpu_temperature_celsius{gpu="0"} 61.0' in text
    assert 'takt_gpu_power_watts{gpu="0"} 70.5' in text


def test_a_figure_that_a_gpu_does_not_tell_is_left_out(nvml: ModuleType) -> None:
    nvml.nvmlDeviceGetPowerUsage = fail  # type: ignore[attr-defined]
    text = exposed()
    assert "takt_gpu_power_watts{" not in text
    assert 'takt_gpu_utilization_ratio{gpu="0"}' in text


def test_a_driver_that_fails_later_fails_no_scrape(nvml: ModuleType, caplog) -> None:
    nvml.nvmlDeviceGetCount = fail  # type: ignore[attr-defined]
    gpus = find_gpus()
    assert gpus is not None
    for _ in range(2):
        assert "{gpu=" not in generate_latest(gpus).decode()
    assert caplog.text.count("cannot be read") == 1


def test_without_a_driver_there_is_nothing(nvml: ModuleType) -> None:
    nvml.nvmlInit = fail  # type: ignore[attr-defined]
    assert exposed() == ""


def test_without_the_package_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert exposed() == ""
