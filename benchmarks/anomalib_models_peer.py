"""The other side of benchmarks/anomalib_models.py: one model, in anomalib's own environment.

Builds a model of anomalib with its defaults but without weights to download, fits what needs
statistics on a few pictures, exports it by anomalib's own call, and answers pictures by anomalib's
own torch path, `Engine.predict`. It imports nothing of Takt. The last line of its output is JSON.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

FITTED_ON, FITTED_ON_MORE = 8, {"Dfkde": 20}
"""Good pictures of a fit, and of one that needs more."""

PASSES = {"MHPatchcore": 3}
"""Passes over the pictures that a fit takes, where it is not one."""


def main() -> None:
    """Build, fit, answer, export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--good", type=Path, required=True, help="pictures to fit on")
    parser.add_argument("--asked", type=Path, required=True, help="pictures to answer")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    replies, sys.stdout = sys.stdout, sys.stderr
    facts: dict[str, Any] = {"anomalib": importlib.metadata.version("anomalib")}
    step = "built"
    try:
        model = _built(given.model, given.good)
        step = "fitted"
        _fit(model, given.model, given.good)
        step = "answered"
        _fill_range(model, given.asked)
        started_s = time.perf_counter()
        _answer(model, given.asked, given.out)
        facts["torch_s"] = time.perf_counter() - started_s
        step = "exported"
        facts |= _export(model, given.out)
    except Exception as error:
        traceback.print_exc()
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[0] if lines else ""
        facts["failed"] = {"step": step, "reason": f"{type(error).__name__}: {reason}"}
    print(json.dumps(facts), file=replies, flush=True)


def _built(name: str, good: Path) -> Any:
    """A model with random weights: everything that would download weights gives none."""
    import anomalib.models.image as models
    import timm.models._builder as timm_builder
    import torch
    import torchvision.models._api as torchvision_api
    from anomalib.models.components.base.export_mixin import ExportMixin

    if getattr(models, name).to_onnx is not ExportMixin.to_onnx:
        raise NotImplementedError("anomalib does not export it")
    timm_builder.load_pretrained = lambda *_args, **_kwargs: None
    plain_load = torch.nn.Module.load_state_dict

    def load(module: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
        return None if state is None else plain_load(module, state, *args, **kwargs)

    torchvision_api.WeightsEnum.get_state_dict = lambda *_args, **_kwargs: None
    torch.nn.Module.load_state_dict = load  # type: ignore[method-assign]
    torch.manual_seed(0)
    options: dict[str, Any] = {"evaluator": False, "visualizer": False}
    if name == "Draem":
        options["dtd_dir"] = good  # it is for training alone
    model = getattr(models, name)(**options)
    torch.nn.Module.load_state_dict = plain_load  # type: ignore[method-assign]
    return model.eval()


def _batches(model: Any, paths: list[Path], count: int = 4) -> list[Any]:
    """Batches of transformed pictures, as the training gets them."""
    import torch
    from anomalib.data import ImageBatch
    from anomalib.data.utils import read_image

    transform = model.pre_processor.transform
    pictures = [transform(read_image(path, as_tensor=True)) for path in paths]
    return [
        ImageBatch(
            image=torch.stack(pictures[start : start + count]),
            gt_label=torch.zeros(len(pictures[start : start + count]), dtype=torch.bool),
        )
        for start in range(0, len(pictures), count)
    ]


def _fit(model: Any, name: str, good: Path) -> None:
    """Statistics of the batch normalisations and of the model itself."""
    import torch

    paths = sorted(good.iterdir())[: FITTED_ON_MORE.get(name, FITTED_ON)]
    batches = _batches(model, paths)
    with torch.no_grad():
        _measure_normalisations(model, batches[0].image)
        if name == "Cfa":
            model.model.initialize_centroid(data_loader=batches)
        elif name == "EfficientAd":
            net = model.model
            net.mean_std.update(model.teacher_channel_mean_std(batches))
            net.quantiles.update(model.map_norm_quantiles(batches))
        elif callable(getattr(model, "fit", None)):
            for _ in range(PASSES.get(name, 1)):
                model.train()
                for batch in batches:
                    model.training_step(batch, 0)
                model.fit()
    model.eval()


def _measure_normalisations(model: Any, images: Any) -> None:
    """Give each batch normalisation the statistics of what reaches it, and a weight of its own."""
    import torch

    def measure(layer: Any, inputs: tuple[Any, ...]) -> None:
        values = inputs[0]
        axes = [axis for axis in range(values.ndim) if axis != 1]
        layer.running_mean.copy_(values.mean(axes))
        layer.running_var.copy_(values.var(axes) + 1e-3)

    hooks = []
    for layer in model.modules():
        if (
            isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)
            and layer.running_mean is not None
        ):
            if layer.affine:
                torch.nn.init.uniform_(layer.weight, 0.5, 1.0)
            hooks.append(layer.register_forward_pre_hook(measure))
    try:
        model.model(images)
    except Exception as error:  # a bank that is not filled yet, behind the layers
        print("before the fit:", error)
    for hook in hooks:
        hook.remove()


def _engine(out: Path) -> Any:
    from anomalib.engine import Engine

    return Engine(
        default_root_dir=out,
        accelerator="cpu",
        devices=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _fill_range(model: Any, asked: Path) -> None:
    """The validation's range of scores, a little wider than what the pictures give."""
    import torch

    raw = [model.model(batch.image) for batch in _batches(model, sorted(asked.iterdir()), 1)]
    post = model.post_processor
    maps = [one.anomaly_map for one in raw if one.anomaly_map is not None]
    scores = [
        one.anomaly_map.amax() if one.pred_score is None else one.pred_score.amax() for one in raw
    ]
    for what, values in (("image", scores), ("pixel", maps)):
        if not values or not hasattr(post, f"{what}_min"):
            continue
        flat = torch.cat([value.detach().flatten().float() for value in values])
        low, high = flat.min(), flat.max()
        margin = (high - low) / 4 + 1e-6 * high.abs()
        getattr(post, f"{what}_min").copy_(low - margin)
        getattr(post, f"{what}_max").copy_(high + margin)
        getattr(post, f"_{what}_threshold").copy_((low + high) / 2)


def _answer(model: Any, asked: Path, out: Path) -> None:
    """Scores and maps of each picture, by anomalib's own prediction from the file."""
    import numpy as np

    answers: dict[str, Any] = {}
    for batch in _engine(out).predict(model=model, data_path=asked):
        name = Path(batch.image_path[0]).name
        answers[f"{name}/score"] = np.float32(batch.pred_score.flatten()[0])
        if batch.anomaly_map is not None:
            answers[f"{name}/map"] = batch.anomaly_map.squeeze().float().numpy()
    np.savez(out / "torch.npz", **answers)


def _export(model: Any, out: Path) -> dict[str, Any]:
    started_s = time.perf_counter()
    path = _engine(out).export(model, "onnx", export_root=out)
    if path is None:
        raise NotImplementedError("anomalib does not export it")
    return {"onnx": str(path), "export_s": time.perf_counter() - started_s}


if __name__ == "__main__":
    main()
