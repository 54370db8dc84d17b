# The server of notebook 19 in a container, with what it needs and nothing else (no JupyterLab).
#
#     docker build -t mlcourse .
#     docker run -p 8000:8000 -v mlcourse-state:/state mlcourse
#
# /state holds the adapters and, in /state/models, a registry of your own: `docker run ... mlcourse train --name mine`.
# With --workers, one process for each core; with --store redis://..., several containers share their adapters.
FROM python:3.11-slim-bookworm

# torch's small build for CPUs; for an NVIDIA GPU leave it empty, and start the server with --device cuda
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /course
COPY constraints.txt pyproject.toml README.md LICENSE LICENSE-text ./
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir -c constraints.txt \
    ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX} \
    numpy torch tqdm typer rich pooch pillow \
    fastapi fastapi-offline uvicorn httptools pydantic prometheus-client safetensors redis "setuptools>=77"
COPY mlcourse mlcourse
COPY data data
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && useradd --create-home server && mkdir -p /state/models && chown -R server /state

USER server
WORKDIR /state
VOLUME /state
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=60s CMD ["/venv/bin/python", "-c", \
    "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
# The container is reached from outside: give it --tokens FILE unless what stands before it asks who calls
ENTRYPOINT ["/venv/bin/python", "-m", "mlcourse"]
CMD ["serve", "--host", "0.0.0.0", "--models", "/state/models", "--store", "/state/adapters.sqlite"]
