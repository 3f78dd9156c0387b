# One image for every role: `serve` (the default), `work`, `clean`, any other command of mezzotint, and
# `python manage.py ...`. docs/deployment.md says how it is used.
ARG BASE=docker.io/library/debian:12-slim

FROM ${BASE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends binutils ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
RUN python3 -m venv /opt/mezzotint
COPY requirements/run.txt requirements/
RUN /opt/mezzotint/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY src src
COPY frontend frontend
COPY requirements/node.txt requirements/
RUN frontend/install.sh /opt/mezzotint/bin/python \
    || echo "no npm package could be had: the pages go without zooming"
RUN /opt/mezzotint/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
    && /opt/mezzotint/bin/pip uninstall --yes --quiet hatchling setuptools pip
# What nothing here reads: debugging symbols (but of libraries that were moved into wheels, which strip breaks), AWS's
# other services, other languages, maps and pages of documentation that nobody is led to, what colours source code,
# others' tests.
RUN cd /opt/mezzotint/lib/python3*/site-packages \
    && find . -name '*.so*' -not -path '*.libs/*' -exec strip --strip-unneeded {} + \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d \
        -not -name s3 -not -name sqs -not -name sso -not -name sso-oidc -not -name sts -exec rm -r {} + \
    && find . -path '*/locale/*' -mindepth 3 -type d -not -path '*/locale/en*' -not -name __pycache__ -prune -exec rm -r {} + \
    && find drf_spectacular_sidecar -name '*.map' -delete && rm -r drf_spectacular_sidecar/static/*/redoc \
    && find pygments/lexers -type f -not -name '__init__.*' -not -name '_mapping.*' -delete \
    && find . -type d -name tests -prune -exec rm -r {} +

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates fonts-noto-cjk nginx-light python3 tini \
    && rm -rf /var/lib/apt/lists/* /var/log/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /etc/nginx/sites-enabled/default \
        /usr/share/fonts/opentype/noto/NotoSerifCJK-*.ttc \
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
