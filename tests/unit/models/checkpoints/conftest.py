"""Checkpoints as the public code writes them, but of constant weights that take no space."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from takt_models.efficientad.config import EfficientAdConfig, Size
from takt_models.efficientad.detector import EfficientAd

MODEL_SIZE = "anomalib.models.image.efficient_ad.torch_model.EfficientAdModelSize"

Content = dict[str, Any]


class Foreign:
    """Objects of classes that exist only while they are pickled."""

    def __init__(self) -> None:
        self._classes: dict[str, type] = {}

    def make(self, name: str, /, **attributes: object) -> Any:
        """An object with attributes, of the class of that name."""
        made = self.named(name)()
        made.__dict__.update(attributes)
        return made

    def called(self, name: str, /, *arguments: object) -> Any:
        """An object that unpickling makes by calling that name, as a member of an enumeration."""
        reduced = (self.named(name), arguments)
        return type("Called", (), {"__reduce__": lambda _: reduced})()

    def named(self, name: str) -> type:
        """The class itself."""
        if name not in self._classes:
            module, _, qualified = name.rpartition(".")
            members = {"__module__": module, "__qualname__": qualified}
            self._classes[name] = type(qualified, (), members)
        return self._classes[name]

    def save(self, content: object, path: Path) -> Path:
        with self._importable():
            torch.save(content, path)
        return path

    @contextmanager
    def _importable(self) -> Iterator[None]:
        former = dict(sys.modules)
        for name, cls in self._classes.items():
            module, _, qualified = name.rpartition(".")
            parts = module.split(".")
            for depth in range(1, len(parts) + 1):
                dotted = ".".join(parts[:depth])
                sys.modules[dotted] = ModuleType(dotted)
            setattr(sys.modules[module], qualified, cls)
        try:
            yield
        finally:
            for name in set(sys.modules) - set(former):
                del sys.modules[name]
            sys.modules.update(former)


@pytest.fixture
def foreign() -> Foreign:
    return Foreign()


@pytest.fixture
def save(foreign: Foreign, tmp_path: Path) -> Callable[[Content], Path]:
    """Saves a content as Lightning does, as `model.ckpt`."""
    return lambda content: foreign.save(content, tmp_path / "model.ckpt")


def constant(value: float, like: Tensor) -> Tensor:
    """One stored number, seen as a whole tensor."""
    return torch.tensor([value]).expand(like.shape)


def weights_of_anomalib(size: Size, channels: int = 384) -> dict[str, Tensor]:
    """A state dict of anomalib's EfficientAd: the n-th tensor is n/1000 everywhere."""
    with torch.device("meta"):
        ours = EfficientAd(EfficientAdConfig(size=size, teacher_channels=channels)).state_dict()
    state: dict[str, Tensor] = OrderedDict()
    networks = [name for name in ours if "." in name]
    for index, name in enumerate(networks, start=1):
        theirs = "model." + name.replace("autoencoder.", "ae.")
        state[theirs] = constant(index / 1000, ours[name])
    state["model.mean_std.mean"] = constant(0.5, ours["teacher_mean"])
    state["model.mean_std.std"] = constant(2.0, ours["teacher_std"])
    for index, name in enumerate(("qa_st", "qb_st", "qa_ae", "qb_ae"), start=1):
        state[f"model.quantiles.{name}"] = torch.tensor(float(index))
    return state


def thresholds_of_anomalib_2() -> dict[str, Tensor]:
    values = {
        "_image_threshold": 0.25,
        "_pixel_threshold": -0.5,
        "image_min": 0.0,
        "image_max": 1.0,
        "pixel_min": -1.0,
        "pixel_max": 3.0,
    }
    return {f"post_processor.{name}": torch.tensor(value) for name, value in values.items()}


@pytest.fixture
def anomalib_2_7() -> Callable[..., Content]:
    """What anomalib 2.7 writes of an EfficientAd; transforms as (class, arguments)."""

    def make(
        *transforms: tuple[str, Mapping[str, object]], size: Size = "small", channels: int = 384
    ) -> Content:
        given = transforms or (("Resize", {"size": [256, 256]}),)
        return {
            "pytorch-lightning_version": "2.6.6",
            "state_dict": weights_of_anomalib(size, channels) | thresholds_of_anomalib_2(),
            "hyper_parameters": {"model_size": size, "padding": False, "pad_maps": True},
            "anomalib_components_enabled": {"pre_processor": True, "post_processor": True},
            "anomalib_pre_processor_config": {
                "transform": {
                    "class_path": "torchvision.transforms.v2.Compose",
                    "init_args": {
                        "transforms": [
                            {
                                "class_path": f"torchvision.transforms.v2.{kind}",
                                "init_args": dict(arguments),
                            }
                            for kind, arguments in given
                        ]
                    },
                }
            },
            "anomalib_post_processor_config": {
                "enable_threshold_matching": True,
                "image_sensitivity": 0.5,
                "pixel_sensitivity": 0.5,
            },
        }

    return make


@pytest.fixture
def anomalib_2_0(foreign: Foreign) -> Callable[..., Content]:
    """What anomalib 2.0 writes of an EfficientAd; hyper-parameters can be added."""

    def make(**hyper_parameters: object) -> Content:
        return {
            "pytorch-lightning_version": "2.5.0",
            "state_dict": weights_of_anomalib("small") | thresholds_of_anomalib_2(),
            "hyper_parameters": {
                "pre_processor": True,
                "post_processor": True,
                "imagenet_dir": Path("datasets/imagenette"),
                "model_size": foreign.called(MODEL_SIZE, "small"),
                "padding": False,
                "pad_maps": True,
                **hyper_parameters,
            },
        }

    return make


@pytest.fixture
def anomalib_1(foreign: Foreign) -> Callable[..., Content]:
    """What anomalib 1.2 writes of an EfficientAd, with the transforms that are given."""

    def make(*transforms: object) -> Content:
        ends = {"anomaly_maps": (-1.0, 3.0), "pred_scores": (0.0, 1.0), "box_scores": (1e39, -1e39)}
        metrics = {
            f"normalization_metrics.{name}.{end}": torch.tensor(value)
            for name, (low, high) in ends.items()
            for end, value in (("min", low), ("max", high))
        }
        return {
            "pytorch-lightning_version": "2.1.0",
            "state_dict": {
                "image_threshold_class": "anomalib.metrics.threshold.F1AdaptiveThreshold",
                **weights_of_anomalib("small"),
                **metrics,
                "image_threshold.value": torch.tensor(0.25),
                "pixel_threshold.value": torch.tensor(-0.5),
            },
            "hyper_parameters": {
                "model_size": foreign.called(MODEL_SIZE, "small"),
                "padding": False,
                "pad_maps": True,
            },
            "transform": foreign.make(
                "torchvision.transforms.v2._container.Compose",
                training=True,
                transforms=list(transforms),
            ),
        }

    return make


@pytest.fixture
def transform(foreign: Foreign) -> Callable[..., Any]:
    """A pickled transform of torchvision, such as ("Resize", size=[256, 256])."""
    modules = {"Resize": "_geometry", "CenterCrop": "_geometry", "Normalize": "_misc"}

    def make(kind: str, **attributes: object) -> Any:
        if kind == "Resize":
            name = "torchvision.transforms.functional.InterpolationMode"
            defaults = {"interpolation": foreign.called(name, "bilinear"), "antialias": True}
            attributes = {"max_size": None, **defaults, **attributes}
        path = f"torchvision.transforms.v2.{modules[kind]}.{kind}"
        return foreign.make(path, training=True, _modules={}, **attributes)

    return make


def networks_of_nelson1425(size: Size = "small") -> dict[str, nn.Sequential]:
    """The three networks as `efficientad.py` builds them, the n-th parameter of each n/1000."""

    def pdn(channels: int) -> nn.Sequential:
        conv, relu = nn.Conv2d, nn.ReLU
        if size == "small":
            return nn.Sequential(
                *(conv(3, 128, 4), relu(), nn.AvgPool2d(2, 2), conv(128, 256, 4), relu()),
                *(nn.AvgPool2d(2, 2), conv(256, 256, 3), relu(), conv(256, channels, 4)),
            )
        return nn.Sequential(
            *(conv(3, 256, 4), relu(), nn.AvgPool2d(2, 2), conv(256, 512, 4), relu()),
            *(nn.AvgPool2d(2, 2), conv(512, 512, 1), relu(), conv(512, 512, 3), relu()),
            *(conv(512, channels, 4), relu(), conv(channels, channels, 1)),
        )

    def autoencoder() -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 32), (32, 64), (64, 64), (64, 64)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        layers.append(nn.Conv2d(64, 64, 8))
        for side in (3, 8, 15, 32, 63, 127):
            layers += [nn.Upsample(side, mode="bilinear"), nn.Conv2d(64, 64, 4, padding=2)]
            layers += [nn.ReLU(), nn.Dropout(0.2)]
        layers += [nn.Upsample(56, mode="bilinear"), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, nn.Conv2d(64, 384, 3, padding=1))

    with torch.device("meta"):
        networks = {"teacher": pdn(384), "student": pdn(768), "autoencoder": autoencoder()}
    for network in networks.values():
        for index, (name, parameter) in enumerate(list(network.named_parameters()), start=1):
            layer, _, kind = name.rpartition(".")
            small = nn.Parameter(constant(index / 1000, parameter))
            setattr(network.get_submodule(layer), kind, small)
    return networks


@pytest.fixture
def nelson1425(tmp_path: Path) -> Callable[..., Path]:
    """Writes the three files into a folder; one network can be changed before."""

    def write(size: Size = "small", **changed: nn.Module) -> Path:
        folder = tmp_path / "nelson1425"
        folder.mkdir(exist_ok=True)
        for role, network in (networks_of_nelson1425(size) | changed).items():
            torch.save(network, folder / f"{role}_final.pth")
        return folder

    return write
