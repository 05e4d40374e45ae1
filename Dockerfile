# The producer's image, for arm64 and amd64. docs/deploy.md has the commands, and says what it was built upon where it was written.
#
#   docker buildx build --platform linux/arm64 --build-arg PYTHON_DIGEST=sha256:… -t ticklake .
#
# The base image is named by its digest, which has to be said: what was tested is what is built upon.
ARG PYTHON_DIGEST

FROM python:3.13-slim@${PYTHON_DIGEST} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/ticklake
# The pinned libraries first: a change of our own code does not fetch them again.
COPY requirements/producer.lock requirements/
RUN /opt/ticklake/bin/python -m pip install --require-hashes -r requirements/producer.lock
COPY pyproject.toml README.md LICENSE ./
COPY contract contract
COPY producer producer
COPY transform_lambda transform_lambda
COPY infra infra
COPY sql sql
COPY audit_lambda audit_lambda
COPY compact_lambda compact_lambda
COPY local local
COPY cli cli
RUN /opt/ticklake/bin/python -m pip install --no-deps --no-build-isolation . \
    && /opt/ticklake/bin/ticklake run --help > /dev/null

FROM python:3.13-slim@${PYTHON_DIGEST}
# The journal's folder belongs to the user before it is a volume: a volume takes over its owner.
RUN groupadd --gid 10001 ticklake \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin ticklake \
    && install -d -o 10001 -g 10001 -m 0750 /journal
COPY --from=build /opt/ticklake /opt/ticklake
ENV PATH=/opt/ticklake/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TICKLAKE_JOURNAL=/journal \
    TICKLAKE_HEALTH_PORT=8080
USER 10001:10001
WORKDIR /journal
VOLUME ["/journal"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["ticklake"]
CMD ["run"]
