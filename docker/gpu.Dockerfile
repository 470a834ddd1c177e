# A server on an NVIDIA GPU, x86_64. Neither built nor run yet; see docs/gpu.md. Build from the project's root:
#   docker build -f docker/gpu.Dockerfile -t takt:gpu .
# With TensorRT, whose wheels are NVIDIA's own and in no lock:
#   docker build -f docker/gpu.Dockerfile --build-arg TENSORRT=10.16.1.11 -t takt:gpu .
# Make a key for a camera, which is printed once; the server reads the folder again when it changes:
#   mkdir -p keys && docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/keys:/keys" takt:gpu \
#     takt keys add camera --scope inspect --file /keys/keys.toml
# Run, with a model repository on the host; without keys it ends with a line that says so:
#   docker run --gpus all --read-only --tmpfs /tmp --cap-drop ALL --user "$(id -u):$(id -g)" \
#     -p 127.0.0.1:8000:8000 -v "$PWD/examples/models:/bundles:ro" \
#     -v takt-data:/data -v "$PWD/keys:/etc/takt:ro" -e TAKT_KEYS_FILE=/etc/takt/keys.toml takt:gpu
# The record of its inspections is in the volume takt-data; without one the server inspects all the
# same, keeps no record and says so.
ARG PYTHON_IMAGE=python:3.11-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY docker/requirements-build.lock docker/requirements-gpu-amd64.lock ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock
# CUDA and cuDNN are among the packages; the driver is the host's.
RUN python -m venv --without-pip /opt/takt \
    && pip --python /opt/takt/bin/python install \
        --require-hashes --only-binary :all: -r requirements-gpu-amd64.lock
ARG TENSORRT=""
RUN test -z "${TENSORRT}" \
    || pip --python /opt/takt/bin/python install "tensorrt-cu13==${TENSORRT}"
# Last, so that a change of our code does not install the dependencies again.
COPY docs/operations.md ./docs/operations.md
COPY service ./service
COPY export ./export
COPY clients/python ./clients/python
RUN /opt/build/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /src/dist \
        ./clients/python ./service ./export \
    && pip --python /opt/takt/bin/python install --no-deps --no-index /src/dist/*.whl
COPY --chmod=0644 docker/healthcheck.py /opt/takt/healthcheck.py

FROM ${PYTHON_IMAGE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="takt" \
      org.opencontainers.image.description="Real-time visual inspection on NVIDIA GPUs" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 takt \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin takt \
    && mkdir -m 755 /bundles && mkdir -m 1777 /cache /data \
    && chown 10001:10001 /data
COPY --from=build /opt/takt /opt/takt
# What is written goes to volumes: /tmp, the model repository where it may be changed, /data for the
# record, and /cache where TAKT_ENGINE_CACHE names it. A new volume takes the folder's mode, so that
# any user may write; what the server makes in /data is for its own user alone.
ENV PATH=/opt/takt/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    TAKT_HOST=0.0.0.0 TAKT_REPOSITORY=/bundles TAKT_DATA_FOLDER=/data TAKT_LOG_FORMAT=json \
    TAKT_ENGINE=cuda \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=300s \
    CMD ["python", "-I", "/opt/takt/healthcheck.py"]
CMD ["takt", "serve"]
