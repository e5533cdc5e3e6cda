#!/usr/bin/env bash
# Builds the images of the node tests as tar files into the folder given: nmi-guard.tar, from the project's Dockerfile
# and the static binaries in dist/; testapp.tar, a program without a file system around it; health.tar, examples/health
# with its libraries; and documented.tar, which has the shell and the programs that the documented checks need as well.
set -euo pipefail
folder=$(realpath -m "$1")
cd "$(dirname "$0")/.."
. scripts/need.sh

need buildah buildah
need_rust
need readelf binutils
need busybox busybox-static
# Debian's other busybox needs the C library, which the image does not have.
is_static() { headers=$(readelf --program-headers --wide "$(command -v busybox)") && ! grep -q INTERP <<<"$headers"; }
is_static || apt_install busybox-static && is_static ||
  give_up "a busybox that is linked statically" "install the package \`busybox-static\`"
cpu=$(uname -m)
arch=$(case $cpu in aarch64) echo arm64 ;; *) echo amd64 ;; esac)
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
scripts/build.sh "$arch"
RUSTFLAGS="-C target-feature=+crt-static" \
  cargo build --locked --profile probe --target "$cpu-unknown-linux-gnu" --package nmi-guard-testapp
# As the tests are built, so that nothing else has to be.
cargo build --locked --example health
built=${CARGO_TARGET_DIR:-target}

mkdir -p "$folder"
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

# build NAME TAR ARGUMENT...: an image, saved under the name that the kubelet will look for.
build() {
  run_buildah build --quiet --isolation chroot --format docker --tag "$1" "${@:3}" >/dev/null
  rm -f "$folder/$2"
  run_buildah push --quiet "localhost/$1" "docker-archive:$folder/$2:docker.io/library/$1"
}

install -m 0755 "$built/$cpu-unknown-linux-gnu/probe/testapp" "$context/"
cat >"$context/Dockerfile" <<'EOF'
FROM scratch
COPY testapp /testapp
# It has no handlers of signals; as process 1 it would wait out its grace period.
STOPSIGNAL SIGKILL
ENTRYPOINT ["/testapp"]
CMD ["pause"]
EOF
build nmi-guard-testapp:test testapp.tar "$context"

install -m 0755 "$(command -v busybox)" "$context/sh"
cat >"$context/Dockerfile" <<'EOF'
FROM scratch
COPY testapp /testapp
COPY sh /bin/sh
# busybox's own wget does not work without the C library's files.
COPY testapp /bin/wget
COPY testapp /bin/curl
COPY testapp /bin/az
STOPSIGNAL SIGKILL
ENTRYPOINT ["/testapp"]
CMD ["pause"]
EOF
build nmi-guard-documented:test documented.tar "$context"

mkdir "$context/health"
strip -o "$context/health/health" "$built/debug/examples/health"
# The libraries that it was linked with.
ldd "$built/debug/examples/health" | grep -o '/[^ ]*' | while read -r library; do
  install -D "$library" "$context/health/$library"
done
cat >"$context/Dockerfile" <<'EOF'
FROM scratch
COPY health /
STOPSIGNAL SIGKILL
ENTRYPOINT ["/health"]
EOF
build nmi-guard-health:test health.tar "$context"
build "nmi-guard:$version" nmi-guard.tar --platform "linux/$arch" --build-arg BINARIES=prebuilt \
  --build-arg "VERSION=$version" .
