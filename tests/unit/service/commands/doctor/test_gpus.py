from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from takt.commands.doctor import gpus
from takt.commands.doctor.facts import Gpu, GpuFacts
from takt.commands.doctor.isolated import ProbeAnswer
from takt.core.distribution import install_hint

L4 = Gpu("NVIDIA L4", 24 << 30, "8.9")


class Host:
    """Where the driver and the tools of one host are, or are not."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nvml: ProbeAnswer[Any] = ProbeAnswer(
            None, "ModuleNotFoundError: No module named 'pynvml'", ""
        )
        self._bin, self._proc, self._pci = folder / "bin", folder / "proc", folder / "pci"
        self.dev = folder / "dev"
        for one in (self._bin, self._proc, self._pci, self.dev):
            one.mkdir()
        monkeypatch.setattr(gpus, "ask", lambda answer, probe, limit_s: self.nvml)
        monkeypatch.setenv("PATH", str(self._bin))

    def tool(self, script: str) -> None:
        tool = self._bin / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    def driver(self, version: str, *models: str) -> None:
        (self._proc / "version").write_text(
            f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Tue Sep 23\n"
        )
        for index, model in enumerate(models):
            folder = self._proc / "gpus" / f"0000:0{index}:00.0"
            folder.mkdir(parents=True)
            (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 42\n")

    def card(self, vendor: str = "0x10de", kind: str = "0x030200") -> None:
        device = self._pci / f"0000:0{len(list(self._pci.iterdir()))}:00.0"
        device.mkdir()
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "class").write_text(f"{kind}\n")

    def examine(self, cuda_major: int = 13) -> GpuFacts:
        return gpus.examine_gpus(cuda_major, self._proc, self._pci, self.dev)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_a_host_without_a_gpu_says_so(machine: Host) -> None:
    machine.card(vendor="0x1a03")
    machine.card(kind="0x040300")
    found = machine.examine()
    assert (found.source, found.gpus, found.on_pci) == (None, (), 0)
    assert [lack.what for lack in found.lacks] == ["no NVIDIA GPU is seen"]
    assert not found.seen


def test_the_drivers_files_alone_are_a_sign_of_a_gpu(machine: Host) -> None:
    (machine.dev / "nvidiactl").touch()
    found = machine.examine()
    assert (found.source, found.gpus, found.on_pci) == (None, (), 0)
    assert found.seen


def test_a_card_without_a_driver_is_told_apart(machine: Host) -> None:
    machine.card()
    found = machine.examine()
    assert found.on_pci == 1
    assert [lack.what for lack in found.lacks] == [
        "an NVIDIA GPU is on the PCI bus, but no driver lists it"
    ]
    assert "release 580 or later" in found.lacks[0].remedy


def test_nvml_is_believed_first(machine: Host) -> None:
    machine.nvml = ProbeAnswer(GpuFacts("NVML", "580.95", "13.0", (L4,)), "", "")
    machine.tool("exit 1")
    found = machine.examine()
    assert found == GpuFacts("NVML", "580.95", "13.0", (L4,), 0, ())


def test_without_nvml_the_tool_is_asked(machine: Host) -> None:
    machine.tool("echo '580.95, NVIDIA L4, 24576, 8.9'; echo '580.95, NVIDIA L4, [N/A], 8.9'")
    found = machine.examine()
    assert found.source == "nvidia-smi"
    assert found.driver == "580.95"
    assert found.gpus == (L4, Gpu("NVIDIA L4", None, "8.9"))
    assert [lack.remedy for lack in found.lacks] == [install_hint("nvidia-ml-py")]


@pytest.mark.parametrize(
    "script", ["exit 9", "echo 'NVIDIA-SMI has failed'", "kill -SEGV $$", "true"]
)
def test_where_the_tool_fails_the_drivers_files_are_read(machine: Host, script: str) -> None:
    machine.tool(script)
    machine.driver("570.86.10", "NVIDIA L4", "Tesla T4")
    found = machine.examine()
    assert found.source == "/proc/driver/nvidia"
    assert found.driver == "570.86.10"
    assert [gpu.name for gpu in found.gpus] == ["NVIDIA L4", "Tesla T4"]


def test_a_driver_that_lists_no_gpu_is_not_enough(machine: Host) -> None:
    machine.driver("570.86.10")
    found = machine.examine()
    assert (found.driver, found.gpus) == ("570.86.10", ())
    assert [lack.what for lack in found.lacks] == ["no NVIDIA GPU is seen"]


@pytest.mark.parametrize(("cuda_major", "lacks"), [(13, 1), (12, 0)])
def test_a_driver_that_is_too_old_for_the_cuda_that_is_wanted_is_told(
    machine: Host, cuda_major: int, lacks: int
) -> None:
    machine.nvml = ProbeAnswer(GpuFacts("NVML", "550.54", "12.4", (L4,)), "", "")
    found = machine.examine(cuda_major)
    assert len(found.lacks) == lacks
    assert all("serves CUDA 12.4 at most" in lack.what for lack in found.lacks)
