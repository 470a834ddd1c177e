"""The names that pickles of the public code bases are known to hold, besides plain data.

None of them is imported or called: each becomes an inert stand-in, which makes reading safe. The
table tells a checkpoint from an attack, and is a second wall behind the first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

_PATHS = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")

_HYPER_PARAMETERS = frozenset(
    {
        "anomalib.PrecisionType",
        "anomalib.models.image.efficient_ad.torch_model.EfficientAdModelSize",
        *(f"pathlib.{name}" for name in _PATHS),
        *(f"pathlib._local.{name}" for name in _PATHS),
        # How some releases of Python 3.11 pickle the members of an enumeration.
        "builtins.getattr",
    }
)

_TRANSFORMS = frozenset(
    {
        "torchvision.transforms.functional.InterpolationMode",
        "torchvision.transforms.v2._container.Compose",
        "torchvision.transforms.v2._geometry.CenterCrop",
        "torchvision.transforms.v2._geometry.Resize",
        "torchvision.transforms.v2._misc.Normalize",
    }
)

_SCHEDULES = frozenset(
    {
        # In numpy's names before and since 2.0.
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "numpy.ndarray",
    }
)

_NETWORKS_OF_NELSON1425 = frozenset(
    {
        "torch.nn.modules.activation.ReLU",
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.conv.Conv2d",
        "torch.nn.modules.dropout.Dropout",
        "torch.nn.modules.pooling.AvgPool2d",
        "torch.nn.modules.upsampling.Upsample",
    }
)

# Where someone gave a part of their own to a model of anomalib 2.0 to 2.6, it is pickled among the
# hyper-parameters, and the whole training with it: Lightning binds the part's `log` to the model.
_TRAINING = frozenset(
    {
        "anomalib.TaskType",
        "builtins.bool",
        "builtins.dict",
        "builtins.float",
        "builtins.int",
        "builtins.list",
        "builtins.slice",
        "builtins.str",
        "fsspec.implementations.local.LocalFileSystem",
        "fsspec.spec.make_instance",
        "functools.partial",
        "rich.text.Text",
        "torch._C._VariableFunctionsClass",
        "torch.utils._pytree.LeafSpec",
    }
)
_TRAINING_PACKAGES = (
    "anomalib.callbacks.",
    "anomalib.data.",
    "anomalib.deploy.",
    "anomalib.metrics.",
    "anomalib.models.",
    "anomalib.post_processing.",
    "anomalib.pre_processing.",
    "anomalib.visualization.",
    "lightning.fabric.",
    "lightning.pytorch.",
    "lightning_utilities.core.",
    "pandas._libs.internals.",
    "pandas.core.",
    "timm.layers.",
    "timm.models.",
    "torch.nn.modules.",
    "torch.optim.",
    "torch.utils.data.",
    "torchmetrics.",
    "torchvision.datasets.",
    "torchvision.transforms.",
)

_KNOWN = _HYPER_PARAMETERS | _TRANSFORMS | _SCHEDULES | _NETWORKS_OF_NELSON1425 | _TRAINING


def _dictionary(*_: object) -> OrderedDict[object, object]:
    return OrderedDict()


DICTIONARIES: Mapping[str, Callable[..., OrderedDict[object, object]]] = {
    "collections.defaultdict": _dictionary,
    "lightning.fabric.utilities.data.AttributeDict": OrderedDict,
    "lightning.pytorch.trainer.connectors.logger_connector.result._ResultCollection": OrderedDict,
}
"""Stand-ins of the classes that a pickle fills item by item, which torch allows for dictionaries
only."""


def is_known(name: str) -> bool:
    """Whether a class or function, named with its module, may become a stand-in."""
    return name in _KNOWN or name in DICTIONARIES or name.startswith(_TRAINING_PACKAGES)
