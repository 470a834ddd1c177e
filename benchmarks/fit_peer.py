"""The other side of benchmarks/fit.py: anomalib's EfficientAd, in anomalib's own environment.

benchmarks/fit.py starts it with the Python of an environment that has anomalib 2.7; it imports
nothing of Takt. It fits for a given time and leaves the raw scores and maps of the given pictures.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from anomalib.callbacks import ModelCheckpoint
from anomalib.data import Folder
from anomalib.data.utils import read_image
from anomalib.engine import Engine
from anomalib.models import EfficientAd
from lightning.pytorch import Callback, seed_everything
from safetensors.torch import load_file

STEPS = 70_000
"""anomalib's own limit; the time ends a fit before."""

LOWER_AT = 0.95
"""Share of the fit after which the learning rate is a tenth."""

VALIDATION = 0.1
"""Share of the good pictures that give the maps' quantiles."""


def main() -> None:
    """Fit, answer, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--good", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True, help="holds one folder of pictures")
    parser.add_argument("--teacher", type=Path, required=True, help="weights by anomalib's names")
    parser.add_argument("--pictures", type=Path, required=True, help="JSON list of paths to answer")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()

    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(given.threads)
    seed_everything(given.seed)
    model = WithTeacher(given.teacher, imagenet_dir=given.other)
    budget = Budget(60 * given.minutes)
    started_s = time.monotonic()
    good = fit(model, given.good, budget, given.out, given.seed)
    fit_s = time.monotonic() - started_s
    pictures = json.loads(given.pictures.read_text(encoding="utf-8"))
    scores, maps = answers(model, pictures)
    np.savez(given.out / "answers.npz", scores=scores, maps=maps)
    facts = {
        "steps": budget.steps,
        "fit_s": fit_s,
        "stepping_s": budget.stepping_s,
        "good": good,
        "anomalib": importlib.metadata.version("anomalib"),
    }
    (given.out / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


class WithTeacher(EfficientAd):
    """anomalib's detector with a teacher from a file; its own is a download.

    Args:
        teacher: safetensors file of the teacher's state dict.
        imagenet_dir: the folder of pictures for the penalty, as anomalib names it.
    """

    def __init__(self, teacher: Path, imagenet_dir: Path) -> None:
        super().__init__(
            imagenet_dir=imagenet_dir, post_processor=False, evaluator=False, visualizer=False
        )
        self._teacher_file = teacher

    def prepare_pretrained_model(self) -> None:
        """Called by anomalib as the training starts."""
        weights = {name: weight.float() for name, weight in load_file(self._teacher_file).items()}
        self.model.teacher.load_state_dict(weights)


class Budget(Callback):
    """Ends a fit after a time, and lowers the learning rate shortly before.

    anomalib means to lower it to a tenth at 95 % of the steps. Its scheduler is stepped once an
    epoch but counts in steps, so that it never does; this gives the fit what was meant.
    """

    def __init__(self, budget_s: float) -> None:
        self.steps = 0
        self.stepping_s = 0.0
        self._budget_s = budget_s
        self._started_s = 0.0
        self._first_s = 0.0
        self._lowered = False

    def on_train_start(self, trainer, pl_module) -> None:  # noqa: D102
        self._started_s = time.monotonic()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:  # noqa: D102
        self._first_s = self._first_s or time.monotonic()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:  # noqa: D102
        self.steps += 1
        now_s = time.monotonic()
        self.stepping_s = now_s - self._first_s
        elapsed_s = now_s - self._started_s
        if elapsed_s >= LOWER_AT * self._budget_s and not self._lowered:
            self._lowered = True
            for group in trainer.optimizers[0].param_groups:
                group["lr"] *= 0.1
        if elapsed_s >= self._budget_s:
            trainer.should_stop = True


def fit(model: WithTeacher, good: Path, budget: Budget, out: Path, seed: int) -> int:
    """Train by anomalib's engine, then take the quantiles by its code; how many good pictures.

    The quantiles are computed once, after the training: anomalib computes them after each epoch,
    which would cost the peer a part of its time and change nothing.
    """
    data = Folder(
        "benchmark",
        normal_dir=good,
        train_batch_size=1,
        eval_batch_size=1,
        num_workers=0,
        test_split_mode="none",
        val_split_mode="from_train",
        val_split_ratio=VALIDATION,
        seed=seed,
    )
    engine = Engine(
        # It would keep a checkpoint of each epoch otherwise.
        callbacks=[budget, ModelCheckpoint(dirpath=out, save_top_k=0)],
        default_root_dir=out,
        accelerator="cpu",
        devices=1,
        max_steps=STEPS,
        max_epochs=-1,
        check_val_every_n_epoch=STEPS,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    engine.fit(model=model, datamodule=data)
    model.eval()
    model.model.quantiles.update(model.map_norm_quantiles(data.val_dataloader()))
    return len(data.train_data) + len(data.val_data)


@torch.inference_mode()
def answers(model: WithTeacher, pictures: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Raw scores, float32 [n], and raw maps, float32 [n,256,256], of pictures one at a time."""
    scores, maps = [], []
    for path in pictures:
        image = model.pre_processor.transform(read_image(path, as_tensor=True))
        answer = model.model(image[None])
        scores.append(float(answer.pred_score))
        maps.append(answer.anomaly_map[0, 0].numpy())
    return np.array(scores, np.float32), np.stack(maps).astype(np.float32)


if __name__ == "__main__":
    main()
