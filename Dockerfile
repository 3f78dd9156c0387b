# One image for every role: `serve` (the default), `work`, `clean`, any other command of mezzotint, and
# `python manage.py ...`. docs/deployment.md says how it is used.
ARG BASE=docker.io/library/debian:12-slim

FROM ${BASE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
RUN python3 -m venv /opt/mezzotint
COPY requirements/run.txt requirements/
RUN /opt/mezzotint/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY src src
RUN /opt/mezzotint/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
    && /opt/mezzotint/bin/pip uninstall --yes --quiet hatchling setuptools pip 2>/dev/null; test -x /opt/mezzotint/bin/mezzotint

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates fonts-noto-cjk nginx-light python3 tini \
    && rm -rf /var/lib/apt/lists/* /var/log/* /etc/nginx/sites-enabled/default \
    && useradd --uid 1000 --create-home --shell /usr/sbin/nologin mezzotint \
    && install -d -o 1000 -g 1000 /data /srv/dlcs
COPY --from=build /opt/mezzotint /opt/mezzotint
COPY manage.py deploy/image/ /srv/dlcs/
ENV PATH=/opt/mezzotint/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    PYTHONUNBUFFERED=1 \
    MEZZOTINT_DATA=/data \
    MEZZOTINT_BIND=0.0.0.0:8000
WORKDIR /srv/dlcs
VOLUME /data
EXPOSE 8000
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s CMD ["/srv/dlcs/healthy.sh"]
ENTRYPOINT ["/usr/bin/tini", "--", "/srv/dlcs/run.sh"]
CMD ["serve"]
