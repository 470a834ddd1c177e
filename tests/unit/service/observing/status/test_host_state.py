from __future__ import annotations

from pathlib import Path

from prometheus_client.core import GaugeMetricFamily

from takt.observing.status.host_state import HostReader


class TwoGpus:
    def collect(self):
        family = GaugeMetricFamily("takt_gpu_power_watts", "Power.", labels=("gpu",))
        family.add_metric(("0",), 120.0)
        family.add_metric(("1",), 80.0)
        yield family


def test_a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above(tmp_path: Path) -> None:
    folders = {"models": tmp_path, "record": tmp_path / "to/be/made"}
    models, record = HostReader(folders).read().disks
    assert (models.holds, record.holds) == ("models", "record")
    assert models.total_bytes == record.total_bytes


def test_the_memory_is_that_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "statm").write_text("5000 1000 300 1 0 400 0\n")
    assert HostReader({}, statm=tmp_path / "statm").read().process_bytes == 1000 * 4096
    assert HostReader({}, statm=tmp_path / "missing").read().process_bytes is None


def test_each_gpu_has_its_figures() -> None:
    found = HostReader({}, TwoGpus()).read()
    assert found.gpus == {"0": {"power_watts": 120.0}, "1": {"power_watts": 80.0}}
