# An image of `source-tuple` for Airbyte. The checks of this project run without Docker and do not build it.
FROM python:3.13.15-slim-trixie AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY tap_tuple tap_tuple
RUN python -m venv /opt/source-tuple && /opt/source-tuple/bin/pip install --no-cache-dir .

FROM python:3.13.15-slim-trixie
COPY --from=build /opt/source-tuple /opt/source-tuple
ENV PATH="/opt/source-tuple/bin:$PATH"
# Airbyte runs connectors as user 1000. The id is numeric so that Kubernetes can verify that the user is not root.
RUN useradd --uid 1000 --create-home airbyte
USER 1000:1000
WORKDIR /home/airbyte
# Airbyte starts a source with this variable, not with the entry point of the image.
ENV AIRBYTE_ENTRYPOINT="source-tuple"
ENTRYPOINT ["source-tuple"]
LABEL io.airbyte.name="source-tuple" io.airbyte.version="0.2.0"
