#!/usr/bin/env bash
# Builds the container image from static binaries, and checks it. Usage: scripts/image.sh NAME:TAG [amd64|arm64]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

image=$1
arch=${2:-$(case $(uname -m) in aarch64 | arm64) echo arm64 ;; *) echo amd64 ;; esac)}
need_image_builder
scripts/build.sh "$arch"

say "building the image $image with $builder"
version=${image##*:}
arguments=(--platform "linux/$arch" --build-arg BINARIES=prebuilt --build-arg "VERSION=$version" --tag "$image")
case $builder in
  buildah) run_buildah build --isolation chroot --format docker "${arguments[@]}" . ;;
  docker) docker build "${arguments[@]}" . ;;
esac
