"""`takt verify` as it is installed, on the model that is shipped."""

import json
import subprocess
import sys
from pathlib import Path

MODELS = Path(__file__).parents[2] / "examples" / "models"
TAKT = Path(sys.executable).with_name("takt")


def test_the_shipped_model_still_answers_as_it_was_trained(tmp_path: Path) -> None:
    file = tmp_path / "verified.json"
    command = [str(TAKT), "verify", str(MODELS), "--json", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert "pitting version 1" in ended.stdout
    assert "DRIFTS" not in ended.stdout
    verified = json.loads(file.read_text())
    runs = [run for bundle in verified["bundles"] for run in bundle["runs"]]
    assert "cpu" in {run["engine"] for run in runs}
    assert all(run["drift"]["together"]["anomaly_map"] < 1e-4 for run in runs)
