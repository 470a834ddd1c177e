# A server on an NVIDIA GPU. Neither built nor run yet; see docs/gpu.md.
#   docker build -f docker/gpu.Dockerfile -t takt:gpu .
#   docker run --gpus all --read-only --tmpfs /tmp -p 8000:8000 -v "$PWD/examples/models:/bundles:ro" takt:gpu
FROM ubuntu:24.04 AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
COPY export ./export
COPY models ./models
RUN python3 -m venv /opt/takt \
    && /opt/takt/bin/pip install --no-cache-dir '.[gpu,tensorrt]'

# CUDA, cuDNN and TensorRT are among the packages; the driver is the host's.
FROM ubuntu:24.04
RUN apt-get update && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* && useradd --system --no-create-home takt
COPY --from=build /opt/takt /opt/takt
USER takt
ENV PATH=/opt/takt/bin:$PATH TAKT_HOST=0.0.0.0 TAKT_REPOSITORY=/bundles TAKT_PROVIDER=cuda \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=300s \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
CMD ["takt", "serve"]
