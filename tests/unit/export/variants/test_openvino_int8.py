from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from takt_export.variants import openvino_int8 as quantize

pytestmark = pytest.mark.torch

SCRIPT = """
import os
from takt_export.variants.openvino_int8 import _import_nncf
_import_nncf()
from nncf.telemetry.wrapper import telemetry
print(type(telemetry).__name__, "NNCF_CI" in os.environ)
"""


def test_nobody_is_told_that_somebody_quantises() -> None:
    # In a process of its own: NNCF also keeps quiet where it sees pytest.
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.stdout.split() == ["MagicMock", "False"], done.stderr


def test_loggers_and_handlers_of_others_stay_as_they_were() -> None:
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        quantize._import_nncf()
        assert handler.level == logging.NOTSET
        assert logging.getLoggerClass() is logging.Logger
    finally:
        logging.getLogger().removeHandler(handler)
