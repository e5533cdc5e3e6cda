#!/usr/bin/env bash
# Checks what scripts/image.sh built, one line for each check. Usage: scripts/check-image.sh NAME:TAG
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh
need_image_builder
need readelf binutils

image=$1
image_limit=15000000
probe_limit=1153433 # 1.1 MiB
root=$(mktemp -d) layers=$(mktemp -d)
trap 'rm -rf "$root" "$layers"' EXIT
chmod 755 "$root" # its user enters it

# The image's files, unpacked into $root, and the user it runs as.
case $builder in
  docker)
    user=$(docker inspect --format '{{.Config.User}}' "$image")
    container=$(docker create "$image")
    docker export "$container" | tar -x -C "$root" --exclude='dev/*' --exclude='proc/*' --exclude='sys/*'
    docker rm "$container" >/dev/null
    ;;
  buildah)
    user=$(run_buildah inspect --type image --format '{{.OCIv1.Config.User}}' "$image")
    run_buildah push --quiet "$image" "dir:$layers"
    # The first digest is the configuration's.
    for layer in $(grep -o 'sha256:[0-9a-f]*' "$layers/manifest.json" | tail -n +2); do
      tar -x -C "$root" -f "$layers/${layer#sha256:}"
    done
    ;;
esac
user=${user%%:*} # the group has the same number

status=0
check() { # check DESCRIPTION COMMAND...
  if "${@:2}"; then echo "ok $1"; else echo "FAILED $1" && status=1; fi
}
size() { stat -c %s "$1"; }
total() { find "$root" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum + 0 }'; }
is_static() { headers=$(readelf --program-headers --wide "$1") && ! grep -q INTERP <<<"$headers"; }
runs_alone() { # The image's own files and its user are all there is.
  local enter=(chroot --userspec="$user:$user")
  [ "$(id -u)" = 0 ] || enter=(unshare --map-root-user chroot)
  "${enter[@]}" "$root" /usr/local/bin/nmi-guard version && "${enter[@]}" "$root" /nmi-probe --version
}

check "image: files are $(cd "$root" && find . -type f | sort | tr '\n' ' ')" \
  test "$(cd "$root" && find . -name 'nmi-*' -type f | sort | tr '\n' ' ')" = "./nmi-probe ./usr/local/bin/nmi-guard "
check "image: no shell" test ! -e "$root/bin"
check "image: runs as user $user, which is not root" test "${user%%:*}" -gt 0
check "image: $(total) bytes, at most $image_limit" test "$(total)" -le $image_limit
check "image: the server is static" is_static "$root/usr/local/bin/nmi-guard"
check "image: the probe is static" is_static "$root/nmi-probe"
check "image: the probe has $(size "$root/nmi-probe") bytes, less than $probe_limit" \
  test "$(size "$root/nmi-probe")" -lt $probe_limit
check "image: both programs run with nothing else in the file system" runs_alone
exit $status
