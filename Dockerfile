# syntax=docker/dockerfile:1.7

# The one binary, built as in `make up`.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# What was compiled before is kept between builds; the binary has to leave the cache to stay.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --package daybook \
    && install -D --strip target/release/daybook /out/daybook

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="daybook" \
      org.opencontainers.image.description="An event-sourced bank ledger: every role in one binary" \
      org.opencontainers.image.licenses="Apache-2.0"
# Certificates: to know an event store that is served by TLS. Fonts: for names on statements in scripts beyond Latin, Greek and Cyrillic.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates fonts-dejavu-core fonts-droid-fallback fonts-noto-core \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 daybook \
    && useradd --system --uid 10001 --gid daybook --no-create-home --home-dir /var/lib/daybook --shell /usr/sbin/nologin daybook \
    && install --directory --owner=daybook --group=daybook --mode=0700 /var/lib/daybook
COPY --from=build /out/daybook /usr/local/bin/daybook
USER daybook
WORKDIR /var/lib/daybook
# A volume that is mounted here begins with this directory's owner.
VOLUME /var/lib/daybook
ENV DAYBOOK_DATA_DIR=/var/lib/daybook \
    DAYBOOK_HTTP=0.0.0.0:8080
EXPOSE 8080 2113
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["daybook", "health"]
ENTRYPOINT ["daybook"]
CMD ["--help"]
