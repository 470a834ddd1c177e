"""Weights that are drawn alike for each test."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def seed() -> None:
    torch.manual_seed(0)
