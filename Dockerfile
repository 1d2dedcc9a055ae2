# One image for node, worker, API and migrations; docker-compose.yml says which runs where.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE WEIGHTS-LICENSE ./
COPY service service
COPY model model
COPY dicom_node dicom_node
COPY migrations migrations
RUN python -m venv /opt/precuneus \
    && /opt/precuneus/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/precuneus precuneus \
    && mkdir -p -m 0700 /var/lib/precuneus/state \
    && chown precuneus:precuneus /var/lib/precuneus/state
COPY --from=build /opt/precuneus /opt/precuneus
ENV PATH=/opt/precuneus/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PRECUNEUS_STATE_DIR=/var/lib/precuneus/state
USER precuneus
WORKDIR /var/lib/precuneus
VOLUME /var/lib/precuneus/state
ENTRYPOINT ["precuneus"]
CMD ["--help"]
