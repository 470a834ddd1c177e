# A server on the CPU. Build from the project's root:
#   docker build -f docker/cpu.Dockerfile -t takt:cpu .
# Run, with a model repository on the host:
#   docker run --read-only --tmpfs /tmp -p 8000:8000 -v "$PWD/examples/models:/bundles:ro" takt:cpu
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY service ./service
COPY export ./export
COPY models ./models
RUN python -m venv /opt/takt && /opt/takt/bin/pip install --no-cache-dir '.[cpu,openvino]'

FROM python:3.11-slim
COPY --from=build /opt/takt /opt/takt
RUN useradd --system --no-create-home takt
USER takt
ENV PATH=/opt/takt/bin:$PATH TAKT_HOST=0.0.0.0 TAKT_REPOSITORY=/bundles
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
CMD ["takt", "serve"]
