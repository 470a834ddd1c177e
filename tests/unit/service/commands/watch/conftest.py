from __future__ import annotations

from tests.unit.service.sources.conftest import FakeTime, camera, fake_time, make_shots

__all__ = ["FakeTime", "camera", "fake_time", "make_shots"]
