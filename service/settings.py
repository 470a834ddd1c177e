"""Every setting of the service: name, default, bounds and meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from service.host import picture_memory_bytes, usable_cores
from service.observing.logging_setup import LogFormat
from service.observing.tracing.base import TracingKind
from service.recording.defaults import (
    DATA_HELP,
    DEFAULT_DATA,
    DEFAULT_KEEP,
    DEFAULT_RECORD,
    DEFAULT_RETAIN,
    KEEP_HELP,
    RECORD_HELP,
    RETAIN_HELP,
)

ENV_PREFIX = "TAKT_"

LogLevel = Literal["debug", "info", "warning", "error"]
VariantFallback = Literal["fail", "build", "cuda", "cpu"]


def _numbers(value: object) -> object:
    """The numbers of a text such as `1,2,4`, as the command line and the environment have it."""
    if isinstance(value, str):
        return tuple(part for part in value.split(",") if part.strip())
    return value


Numbers = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_numbers)]


class Settings(BaseSettings):
    """The settings of one server process.

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

    repository: Path = Field(
        Path("bundles"), description="Folder of bundles, <name>/<version>/ each."
    )
    data_folder: Path = Field(DEFAULT_DATA, description=DATA_HELP)
    record: str = Field(DEFAULT_RECORD, min_length=1, description=RECORD_HELP)
    keep: str = Field(DEFAULT_KEEP, description=KEEP_HELP)
    retain: str = Field(DEFAULT_RETAIN, description=RETAIN_HELP)
    trusted_keys: Path | None = Field(
        None,
        description="Public Ed25519 keys, a PEM file or a folder of *.pem: only bundles that one "
        "of them has signed are served, from a private copy in TMPDIR. With threshold_changes off, "
        "no unsigned threshold is taken either.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of its own for `/metrics`, for which `port` has 404 then; `/health` is "
        "there as well. It speaks plain HTTP and asks nobody for a key or certificate: let nobody "
        "but Prometheus and probes reach it. 0 takes a free one.",
    )
    max_connections: int = Field(
        1024,
        ge=1,
        description="Connections that may be open, streams included; one more takes the place of "
        "one that is idle, or gets 503. The limit of open files may allow fewer.",
    )
    max_connections_per_client: int = Field(
        0,
        ge=0,
        description="Connections from one address, or one network /64 of IPv6; 0 takes half of "
        "all. Behind a proxy, set it to `max_connections`.",
    )

    tls_certificate: Path | None = Field(
        None,
        description="PEM file with the certificate to show, its own first and then those between "
        "it and its authority: the port then speaks TLS alone, 1.2 or later. It is read again when "
        "it changes, as are the two below.",
    )
    tls_key: Path | None = Field(
        None,
        description="PEM file with the certificate's key, without a password; if it is not set, "
        "it is in the file of `tls_certificate`.",
    )
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file with authorities: every client has to show a certificate that one "
        "of them has signed. It opens the connection and nothing else.",
    )

    engine: str = Field(
        "auto",
        min_length=1,
        description="What runs the models. onnxruntime: the reference graph by ONNX Runtime on the "
        "CPU; cuda, tensorrt: by that provider of ONNX Runtime; openvino: by OpenVINO; the name of "
        "a variant, such as openvino-int8; auto: what `takt tune` found on this host for each "
        "model, else onnxruntime.",
    )
    provider_fallback: bool = Field(
        False,
        description="Serve the reference graph on the CPU, with a warning, where the engine "
        "cannot be had; otherwise the model is not ready.",
    )
    engine_cache: Path | None = Field(
        None,
        description="Folder for what engines compile, so that the next start is quick; it is made "
        "where it is missing, and nothing is kept without one.",
    )
    variant_fallback: VariantFallback = Field(
        "fail",
        description="Where a variant was built for another GPU, driver or TensorRT. fail: the "
        "model is not ready. build: TensorRT builds an engine of the same precision, which takes "
        "minutes and is kept in `engine_cache`. cuda, cpu: the reference graph runs there.",
    )
    device_id: int = Field(0, ge=0, description="GPU to use.")
    cuda_graphs: bool = Field(
        True,
        description="On a GPU, capture each batch size once as a CUDA graph and launch it as one "
        "afterwards; where a model cannot be captured it runs without, with a warning.",
    )
    engine_instances: int = Field(
        0,
        ge=0,
        le=64,
        description="Copies of each model that work at the same time; 0 takes what `takt tune` "
        "found, else 1.",
    )
    engine_threads: int = Field(
        0,
        ge=0,
        description="CPU threads of each copy; 0 takes what `takt tune` found, else shares the "
        "cores among the copies.",
    )

    max_batch_size: int = Field(
        0,
        ge=0,
        le=256,
        description="Most pictures in one batch; 0 takes what `takt tune` found, else 8 on a GPU, "
        "and 1 on the CPU, where a batch takes as long as its pictures one by one, and the first "
        "of them waits for the last; there, a graph that always computes several gets as many.",
    )
    max_queue_delay_ms: float = Field(
        0.0,
        ge=0,
        le=60_000,
        description="Longest wait for a batch to fill, from its first picture on; at 0 a batch "
        "is what gathered while the engine was busy.",
    )
    preferred_batch_sizes: Numbers = Field(
        (),
        description="A batch is cut to the largest of these that it reaches, such as 1,2,4,8 for "
        "engines that are built for fixed sizes; any size if empty.",
    )
    max_queue_size: int = Field(
        256,
        ge=1,
        description="Pictures of one model that may wait; one more gets 429. Those of priority "
        "`bulk` may be half as many.",
    )
    timeout_ms: float = Field(
        30_000.0, gt=0, description="A request that names no timeout gets 504 after this."
    )
    drain_timeout_s: float = Field(
        30.0, ge=0, le=86_400, description="Longest wait at shutdown for what was accepted."
    )

    decode_threads: int = Field(
        0, ge=0, description="Threads that decode, resize and render; 0 takes one per core."
    )
    max_image_bytes: int = Field(
        64 * 1024 * 1024, ge=1, description="Largest request body; a larger one gets 413."
    )
    max_image_pixels: int = Field(
        50_000_000, ge=1, description="Most pixels of a picture, checked before it is decoded."
    )
    max_memory_mb: int = Field(
        0,
        ge=0,
        description="Memory in MiB for pictures in flight in all models together: as they came, "
        "decoded, and with heatmaps; one more gets 429, and one that can never fit gets 413. 0 "
        "takes half of a container's memory, or a quarter of the host's.",
    )
    upload_timeout_s: float = Field(
        10.0,
        gt=0,
        description="Longest time in which a request's body may come, whatever its own timeout; "
        "a slower one gets 408.",
    )
    max_regions: int = Field(
        64, ge=0, description="Most regions in an answer; the highest peaks are kept."
    )

    stream_credits: int = Field(
        8,
        ge=1,
        le=256,
        description="Frames that one stream may have on their way unanswered.",
    )
    stream_sessions: int = Field(
        64, ge=1, description="Streams that may be open; one more is told to come again later."
    )
    stream_kept_sessions: int = Field(
        64, ge=0, description="Streams whose connection was lost that may wait for another one."
    )
    stream_resume_s: float = Field(60.0, ge=0, description="For how long they wait.")
    allowed_hosts: str = Field(
        "",
        description="Names by which this server may be asked, beside IP addresses, localhost and "
        "the names of its host, such as takt.plant.example,*.cells.example with commas between; * "
        "for any. A request for another name gets 421: a web page could have given it this "
        "server's address.",
    )
    allowed_origins: str = Field(
        "",
        description="Web pages that may open streams and send requests that are no mere reading, "
        "beside those of this server, such as https://line3.example with commas between; * for "
        "any.",
    )
    keys_file: Path | None = Field(
        None,
        description="File with the keys of callers, which `takt keys` writes and the server reads "
        "again when it changes; whoever sends no key of it gets 401.",
    )
    keys: str = Field(
        "",
        description="The text of such a file, instead of one; for the environment.",
    )
    oidc_issuer: str = Field(
        "",
        description="URL of an OpenID Connect issuer: its tokens (JWT) are taken beside keys, "
        "checked by the keys that it publishes. It needs the extra `oidc`.",
    )
    oidc_audience: str = Field(
        "", description="Whom its tokens are for, in their claim `aud`; others are refused."
    )
    oidc_scopes: str = Field(
        "",
        description="What values of the claims `scope`, `scp`, `roles` and `groups` stand for, "
        "such as plant-lines=inspect,plant-admins=operate; if empty, inspect, operate, read "
        "and review for themselves.",
    )
    insecure: bool = Field(
        False,
        description="Listen for other machines without keys: whoever reaches the port may do "
        "everything.",
    )
    docs: bool = Field(
        True,
        description="Whether /docs, /openapi.json and /asyncapi.json describe the API; otherwise "
        "they get 404.",
    )

    threshold_changes: bool = Field(
        True,
        description="Whether PUT and DELETE on a model's threshold may change it; otherwise they "
        "get 403.",
    )

    version_changes: bool = Field(
        True,
        description="Whether a request may activate another version of a model, or roll back; "
        "otherwise it gets 403.",
    )
    repository_poll_s: float = Field(
        2.0,
        ge=0,
        description="Look this often for versions that came, changed or went; 0 looks at the "
        "start only. A changed version steps in once its golden answers are right, and so does a "
        "model's first one; a later one waits for its activation.",
    )

    tracing: TracingKind = Field(
        "off",
        description="otlp sends a trace of each picture to the collector that "
        "OTEL_EXPORTER_OTLP_ENDPOINT names; it needs the extra `otel`.",
    )

    log_level: LogLevel = Field("info", description="Least severe message that is logged.")
    log_format: LogFormat = Field(
        "text", description="Of everything that is logged: lines for people, or JSON, one a line."
    )
    request_log: bool = Field(
        True,
        description="A line for each picture, of level info: id, model, verdict, timings; of "
        "level warning where it got 429 or an error of the service.",
    )

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, _: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **others: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The arguments alone; `load_settings` reads the environment and the file."""
        return (init_settings,)

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
    def cores(self) -> int:
        """Number of cores that this process may use."""
        return usable_cores()
