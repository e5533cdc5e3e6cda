# syntax=docker/dockerfile:1

# BINARIES says where nmi-guard and nmi-probe come from:
#   build     compiled in this Dockerfile (the default)
#   prebuilt  taken from dist/<architecture>/, for example dist/amd64/nmi-guard: no base image is pulled
ARG BINARIES=build
ARG RUST_VERSION=1.95

# Runs on the builder's own architecture and compiles for the image's.
FROM --platform=$BUILDPLATFORM docker.io/library/rust:${RUST_VERSION}-bookworm AS build
ARG TARGETARCH
WORKDIR /source
COPY . .
# aws-lc needs cmake; the other architecture's compiler links for it.
RUN set -eu; \
    case "$TARGETARCH" in \
      amd64) target=x86_64-unknown-linux-gnu packages="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;; \
      arm64) target=aarch64-unknown-linux-gnu packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;; \
      *) echo "no build for the architecture '$TARGETARCH': amd64 or arm64" >&2; exit 1 ;; \
    esac; \
    if [ "$(rustc -vV | sed -n 's/^host: //p')" != "$target" ]; then \
      gcc=$(echo "$target" | sed 's/-unknown//')-gcc; \
      variable=$(echo "$target" | tr 'a-z-' 'A-Z_'); \
      export "CARGO_TARGET_${variable}_LINKER=$gcc" "CC_$(echo "$target" | tr - _)=$gcc"; \
    else \
      packages=; \
    fi; \
    apt-get update; \
    apt-get install -y --no-install-recommends cmake $packages; \
    rustup target add "$target"; \
    export RUSTFLAGS="-C target-feature=+crt-static"; \
    cargo build --locked --release --target "$target" --bin nmi-guard; \
    RUSTFLAGS="$RUSTFLAGS -C relocation-model=static -C link-arg=-Wl,--no-eh-frame-hdr" \
      cargo build --locked --profile probe --target "$target" --package nmi-probe; \
    install -D -t /binaries "target/$target/release/nmi-guard" "target/$target/probe/nmi-probe"

FROM scratch AS prebuilt
ARG TARGETARCH
COPY dist/${TARGETARCH}/nmi-guard dist/${TARGETARCH}/nmi-probe /binaries/

FROM ${BINARIES} AS binaries

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="nmi-guard" \
      org.opencontainers.image.description="Guards Pods of AAD Pod Identity against an NMI that is not ready" \
      org.opencontainers.image.source="https://github.com/nmi-guard/nmi-guard" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The server does not lie at /nmi-guard: the init container, which runs this image too, has the volume there.
COPY --from=binaries --chmod=0555 /binaries/nmi-guard /usr/local/bin/nmi-guard
COPY --from=binaries --chmod=0555 /binaries/nmi-probe /nmi-probe
USER 65532:65532
EXPOSE 8443 8081
ENTRYPOINT ["/usr/local/bin/nmi-guard"]
CMD ["serve"]
