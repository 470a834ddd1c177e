"""The job that every peer does: JPEG -> decode -> 256 x 256 -> normalise -> ONNX Runtime -> JSON.

The servers import this file and nothing else of each other, so that the work for a request is the
same everywhere. The runner sets the environment.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np
import onnxruntime as ort

MODEL = Path(os.environ["BENCH_ASSETS"]) / (os.environ["BENCH_MODEL"] + ".onnx")
PORT = int(os.environ["BENCH_PORT"])
MAX_BATCH = int(os.environ.get("BENCH_MAX_BATCH", "8"))
DELAY_MS = float(os.environ.get("BENCH_DELAY_MS", "3"))
WORKERS = int(os.environ.get("BENCH_WORKERS", "2"))
INTRA = int(os.environ.get("BENCH_INTRA", "1"))
"""Threads of one ONNX Runtime session."""

SIDE = 256
MEAN = np.array([0.485, 0.456, 0.406], np.float32) * 255.0
INVERSE_STD = 1.0 / (np.array([0.229, 0.224, 0.225], np.float32) * 255.0)

# Here and not in a function: a worker that only decodes needs it as well.
cv2.setNumThreads(0)


class Answer(TypedDict):
    """What a client gets for a picture."""

    score: float
    map_min: float
    map_max: float
    map_mean: float


def make_session() -> ort.InferenceSession:
    """The model on the CPU, on `INTRA` threads that sleep when they have no work."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = INTRA
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


def preprocess(jpeg: bytes) -> np.ndarray:
    """Decode, resize and normalise: float32 [3, 256, 256].

    Raises:
        ValueError: the bytes are no picture.
    """
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("not a picture")
    if picture.shape[:2] != (SIDE, SIDE):
        picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return ((picture.astype(np.float32) - MEAN) * INVERSE_STD).transpose(2, 0, 1)


def infer(session: ort.InferenceSession, batch: np.ndarray) -> list[Answer]:
    """Answers for float32 [n, 3, 256, 256]."""
    maps, scores = session.run(None, {"input": batch})
    flat = maps.reshape(len(batch), -1)
    columns = (scores, flat.min(1), flat.max(1), flat.mean(1))
    return [
        Answer(score=float(score), map_min=float(low), map_max=float(high), map_mean=float(mean))
        for score, low, high, mean in zip(*columns, strict=True)
    ]


def run_batch(session: ort.InferenceSession, jpegs: Sequence[bytes]) -> list[Answer]:
    """The whole job for some pictures."""
    return infer(session, np.stack([preprocess(jpeg) for jpeg in jpegs]))
