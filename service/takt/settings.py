"""Every setting of the service: name, default, bounds and meaning.

Those of a room of its own stand in the room's `settings.py`; `Settings` joins them all.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Self

from pydantic import BaseModel
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from takt.core.engines.options import EngineOptions, VariantFallback
from takt.core.host import picture_memory_bytes, usable_cores
from takt.declaration import Numbers, PathOrUrl, each_once, under
from takt.mirroring.location import is_url, mirror_folder
from takt.observing.settings import ObservingSettings
from takt.outlets.settings import OutletSettings, PluginSettings
from takt.recording.settings import RecordSettings
from takt.security.settings import AccessSettings
from takt.streaming.settings import StreamSettings

ENV_PREFIX = "TAKT_"

_models = under("Models")
_listening = under("Listening")
_engines = under("Engines")
_load = under("Batching and load")
_pictures = under("Pictures")


class BundleSettings(BaseModel):
    """Where bundles come from, and who may change what answers."""

    repository: PathOrUrl = _models(
        "bundles",
        "Folder of bundles, <name>/<version>/ each, or the URL of one: s3://, gs://, https:// or "
        "file:///. What is at a URL is fetched into `data_folder`, and served from there when the "
        "URL is out of reach; it needs the extra `s3`, `gs` or `https`. Where the folder is empty "
        "the server starts without a model, and is ready once the first one is there; a folder "
        "that is named and missing, or holds something else, is refused.",
        min_length=1,
    )
    trusted_keys: Path | None = _models(
        None,
        "Public Ed25519 keys, a PEM file or a folder of *.pem: only bundles that one "
        "of them has signed are served, from a private copy in TMPDIR. With threshold_changes off, "
        "no unsigned threshold is taken either.",
    )
    repository_poll_s: float = _models(
        2.0,
        "Look this often for versions that came, changed or went; 0 looks at the "
        "start only. A changed version steps in once its golden answers are right, and so does a "
        "model's first one; a later one waits for its activation.",
        ge=0,
    )
    version_changes: bool = _models(
        True,
        "Whether a request may activate another version of a model, or roll back; "
        "otherwise it gets 403.",
    )
    threshold_changes: bool = _models(
        True, "Whether PUT and DELETE on a model's threshold may change it; otherwise they get 403."
    )


class ListeningSettings(BaseModel):
    """Ports, certificates and connections."""

    host: str = _listening("127.0.0.1", "Address to listen on.")
    port: int = _listening(8000, "Port to listen on; 0 takes a free one.", ge=0, le=65535)
    metrics_port: int | None = _listening(
        None,
        "Port of its own for `/metrics`, for which `port` has 404 then; `/health` is "
        "there as well. It speaks plain HTTP and asks nobody for a key or certificate: let nobody "
        "but Prometheus and probes reach it. 0 takes a free one.",
        ge=0,
        le=65535,
    )
    grpc_port: int | None = _listening(
        None,
        "Port of its own for the Open Inference Protocol over gRPC, and for gRPC's health check, "
        "with the keys and the certificate of `port`; it needs the extra `grpc`. 0 takes a free "
        "one.",
        ge=0,
        le=65535,
    )
    tls_certificate: Path | None = _listening(
        None,
        "PEM file with the certificate to show, its own first and then those between "
        "it and its authority: the port then speaks TLS alone, 1.2 or later. It is read again when "
        "it changes, as are the two below.",
    )
    tls_key: Path | None = _listening(
        None,
        "PEM file with the certificate's key, without a password; if it is not set, "
        "it is in the file of `tls_certificate`.",
    )
    tls_client_ca: Path | None = _listening(
        None,
        "PEM file with authorities: every client has to show a certificate that one "
        "of them has signed. It opens the connection and nothing else.",
    )
    max_connections: int = _listening(
        1024,
        "Connections that may be open, streams included; one more takes the place of "
        "one that is idle, or gets 503. The limit of open files may allow fewer.",
        ge=1,
    )
    max_connections_per_client: int = _listening(
        0,
        "Connections from one address, or one network /64 of IPv6; 0 takes half of "
        "all. Behind a proxy, set it to `max_connections`.",
        ge=0,
    )


class EngineSettings(BaseModel):
    """What runs the models."""

    engine: str = _engines(
        "auto",
        "What runs the models. onnxruntime: the reference graph by ONNX Runtime on the "
        "CPU; cuda, tensorrt: by that provider of ONNX Runtime; openvino: by OpenVINO; the name of "
        "a variant, such as openvino-int8; auto: what `takt tune` found on this host for each "
        "model, else onnxruntime.",
        min_length=1,
    )
    engine_instances: int = _engines(
        0,
        "Copies of each model that work at the same time; 0 takes what `takt tune` found, else 1.",
        ge=0,
        le=64,
    )
    engine_threads: int = _engines(
        0,
        "CPU threads of each copy; 0 takes what `takt tune` found, else shares the "
        "cores among the copies.",
        ge=0,
    )
    engine_cache: Path | None = _engines(
        None,
        "Folder for what engines compile, so that the next start is quick; it is made "
        "where it is missing, and nothing is kept without one.",
    )
    provider_fallback: bool = _engines(
        False,
        "Serve the reference graph on the CPU, with a warning, where the engine "
        "cannot be had; otherwise the model is not ready.",
    )
    variant_fallback: VariantFallback = _engines(
        "fail",
        "Where a variant was built for another GPU, driver or TensorRT. fail: the "
        "model is not ready. build: TensorRT builds an engine of the same precision, which takes "
        "minutes and is kept in `engine_cache`. cuda, cpu: the reference graph runs there.",
    )
    device_id: int = _engines(0, "GPU to use.", ge=0)
    cuda_graphs: bool = _engines(
        True,
        "On a GPU, capture each batch size once as a CUDA graph and launch it as one "
        "afterwards; where a model cannot be captured it runs without, with a warning.",
    )


class LoadSettings(BaseModel):
    """How much is taken at once, and for how long it may wait."""

    workers: int = _load(
        1,
        "Processes that share the port, each with its own copies of the models on its own share of "
        "the cores; limits count for all together. One answers some thousand pictures a second.",
        ge=1,
        le=16,
    )
    max_batch_size: int = _load(
        0,
        "Most pictures in one batch; 0 takes what `takt tune` found, else 8 on a GPU, "
        "and 1 on the CPU, where a batch takes as long as its pictures one by one, and the first "
        "of them waits for the last; there, a graph that always computes several gets as many.",
        ge=0,
        le=256,
    )
    max_queue_delay_ms: float = _load(
        0.0,
        "Longest wait for a batch to fill, from its first picture on; at 0 a batch "
        "is what gathered while the engine was busy.",
        ge=0,
        le=60_000,
    )
    preferred_batch_sizes: Numbers = _load(
        (),
        "A batch is cut to the largest of these that it reaches, such as 1,2,4,8 for "
        "engines that are built for fixed sizes; any size if empty.",
    )
    max_queue_size: int = _load(
        256,
        "Pictures of one model that may wait; one more gets 429. Those of priority "
        "`bulk` may be half as many.",
        ge=1,
    )
    timeout_ms: float = _load(
        30_000.0, "A request that names no timeout gets 504 after this.", gt=0
    )
    max_memory_mb: int = _load(
        0,
        "Memory in MiB for pictures in flight in all models together: as they came, "
        "decoded, and with heatmaps; one more gets 429, and one that can never fit gets 413. 0 "
        "takes half of a container's memory, or a quarter of the host's.",
        ge=0,
    )
    upload_timeout_s: float = _load(
        10.0,
        "Longest time in which a request's body may come, whatever its own timeout; "
        "a slower one gets 408.",
        gt=0,
    )
    drain_timeout_s: float = _load(
        30.0, "Longest wait at shutdown for what was accepted.", ge=0, le=86_400
    )


class PictureSettings(BaseModel):
    """Bounds of pictures and answers."""

    max_image_bytes: int = _pictures(
        64 * 1024 * 1024, "Largest request body; a larger one gets 413.", ge=1
    )
    max_image_pixels: int = _pictures(
        50_000_000, "Most pixels of a picture, checked before it is decoded.", ge=1
    )
    max_regions: int = _pictures(64, "Most regions in an answer; the highest peaks are kept.", ge=0)
    decode_threads: int = _pictures(
        0, "Threads that decode, resize and render; 0 takes one per core.", ge=0
    )


@each_once
class Settings(
    # The last ones come first in `--help` and the documentation.
    PluginSettings,
    OutletSettings,
    ObservingSettings,
    RecordSettings,
    StreamSettings,
    PictureSettings,
    LoadSettings,
    EngineSettings,
    AccessSettings,
    ListeningSettings,
    BundleSettings,
    BaseSettings,
):
    """The settings of one server process, joined of what each of its parts has.

    >>> Settings(port=0, timeout_ms=500).max_queue_size
    256
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        enable_decoding=False,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
    )

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, _: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **others: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The arguments alone; `load_settings` reads the environment and the file."""
        return (init_settings,)

    @property
    def repository_folder(self) -> Path:
        """`repository`, or the folder in which the server keeps what is at that URL."""
        if is_url(self.repository):
            return mirror_folder(self.data_folder, self.repository)
        return Path(self.repository)

    @property
    def knows_callers(self) -> bool:
        """Whether callers are told apart; otherwise anyone may do everything."""
        return bool(self.keys or self.oidc_issuer) or self.keys_file is not None

    @property
    def threads_for_decoding(self) -> int:
        """`decode_threads`, or one for each core."""
        return self.decode_threads or usable_cores()

    @property
    def max_memory_bytes(self) -> int:
        """`max_memory_mb` in bytes, or a share of what the host or the container has."""
        return self.max_memory_mb * 1024 * 1024 or picture_memory_bytes()

    @property
    def of_each_worker(self) -> Self:
        """What one of `workers` may take, of what the settings allow all of them together."""
        share = {
            "max_queue_size": -(-self.max_queue_size // self.workers),
            "max_memory_mb": max(1, self.max_memory_bytes // self.workers // (1024 * 1024)),
            "decode_threads": -(-self.decode_threads // self.workers),
        }
        return self.model_copy(update=share) if self.workers > 1 else self

    @property
    def engine_options(self) -> EngineOptions:
        """Those of the settings by which engines are opened."""
        return EngineOptions(**{one.name: getattr(self, one.name) for one in fields(EngineOptions)})

    @property
    def cores(self) -> int:
        """Number of cores that this process may use."""
        return usable_cores()
