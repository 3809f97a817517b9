# The service as a container: `docker build -t pagerduty-subscriber .`; told in docs/image.md.
#
# Rules (tests/house/test_image.py holds them): wheels only (nkeys, pure Python, is published as source
# alone), nothing is compiled; the last stage runs
# no command and installs nothing, so that any base with the same Python will do, also one without a
# shell; versions come from constraints.txt; nothing writes to the root at run time.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Extras to include, separated by commas; `embedded` would bring a nats-server.
ARG EXTRAS=otel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    PIP_CONSTRAINT=/source/constraints.txt
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY subscriber subscriber
COPY templates templates
# An environment of its own without pip, to be copied whole. What stays out: the simulator, the tests
# and sources of compiled modules. Bytecode is made here, since nothing can be written later; it is
# not compared with its source, which saves a look at each file.
RUN python3 -m venv --without-pip /opt/pagerduty-subscriber \
 && python3 -m pip --python /opt/pagerduty-subscriber/bin/python install --no-compile \
      --only-binary=:all: --no-binary=nkeys ".[${EXTRAS}]" \
 && find /opt/pagerduty-subscriber/lib -type d \( -path '*/subscriber/simulator' -o -name tests \) \
      -prune -exec rm -r {} + \
 && find /opt/pagerduty-subscriber/lib -type f \( -name '*.p[yx][xdi]' -o -name '*.[ch]' \) \
      -delete \
 && /opt/pagerduty-subscriber/bin/python -m compileall -q --invalidation-mode unchecked-hash \
      /opt/pagerduty-subscriber/lib

FROM ${PYTHON_IMAGE}
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="pagerduty-subscriber" \
      org.opencontainers.image.description="Turns delivery CloudEvents on NATS into PagerDuty alerts and change events" \
      org.opencontainers.image.source="https://github.com/pagerduty-subscriber/pagerduty-subscriber" \
      org.opencontainers.image.documentation="https://github.com/pagerduty-subscriber/pagerduty-subscriber#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /opt/pagerduty-subscriber /opt/pagerduty-subscriber
# PYDANTIC_DISABLE_PLUGINS: none are used, and looking for them reads every installed package.
ENV PATH=/opt/pagerduty-subscriber/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYDANTIC_DISABLE_PLUGINS=__all__
# Numeric, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# No HEALTHCHECK: Kubernetes asks /healthz and /readyz by itself, and images of the OCI format have none.
ENTRYPOINT ["/opt/pagerduty-subscriber/bin/pagerduty-subscriber"]
CMD ["run"]
