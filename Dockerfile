# An image of `source-tuple` for Airbyte. Not built here: this project's checks run without Docker.
FROM python:3.13-slim
WORKDIR /source-tuple
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY tap_tuple tap_tuple
RUN pip install --no-cache-dir .
# Airbyte starts a source by this variable, other than by the image's entry point.
ENV AIRBYTE_ENTRYPOINT="source-tuple"
ENTRYPOINT ["source-tuple"]
LABEL io.airbyte.name="source-tuple" io.airbyte.version="0.1.0"
