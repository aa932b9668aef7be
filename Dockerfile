# The service and every other command of Chartwell, with all back-ends, run by an unprivileged user.
#   docker build -t chartwell . && docker run --rm --network host -v chartwell-data:/data chartwell serve --demo
FROM python:3.13-slim-bookworm AS build
COPY requirements/ /source/requirements/
RUN python -m venv /opt/chartwell \
    && /source/requirements/install.sh /opt/chartwell/bin/python /source/requirements/container.txt
COPY pyproject.toml README.md LICENSE /source/
COPY pipeline/ /source/pipeline/
# setuptools, which builds the wheel, is pinned in that file as well.
RUN /opt/chartwell/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation /source \
    && /opt/chartwell/bin/python -m pip uninstall --yes setuptools uv

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin chartwell \
    && install --directory --owner chartwell --mode 700 /data
COPY --from=build /opt/chartwell /opt/chartwell
ENV PATH=/opt/chartwell/bin:$PATH \
    CHARTWELL_DATA_DIR=/data \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["chartwell"]
CMD ["serve"]
