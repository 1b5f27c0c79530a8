#!/usr/bin/env bash
# Makes the two images that deploy/Dockerfile starts from, out of Debian's packages and this machine's
# own Rust toolchain, for machines that reach Debian but no image registry. Where an image is present
# already, or can be pulled, nothing is made. Run as root (debootstrap needs it).
#
#   DEBIAN_MIRROR   another mirror than http://deb.debian.org/debian
set -euo pipefail

readonly RUNTIME_IMAGE=debian:bookworm-slim
readonly RUST_IMAGE=rust:1.95-slim-bookworm
readonly RUST_MINIMUM=1.95.0
readonly MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

say() { printf 'base-images: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

absent() {
    ! docker image inspect "$1" >/dev/null 2>&1 && ! timeout 300 docker pull "$1" >/dev/null 2>&1
}

missing=()
for image in "$RUNTIME_IMAGE" "$RUST_IMAGE"; do
    if absent "$image"; then missing+=("$image"); fi
done
if [ ${#missing[@]} -eq 0 ]; then
    say "both are here: $RUNTIME_IMAGE and $RUST_IMAGE"
    exit 0
fi

say "cannot be pulled, made from Debian's packages instead: ${missing[*]}"
[ "$(id -u)" = 0 ] || fail "debootstrap needs root: run this as root, or load the images by docker load"
if ! command -v debootstrap >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
root=$work/root

say "unpacking Debian bookworm from $MIRROR"
debootstrap --variant=minbase bookworm "$root" "$MIRROR" >"$work/debootstrap.log" 2>&1 \
    || { tail -20 "$work/debootstrap.log" >&2; fail "debootstrap failed"; }
# What belongs to this machine, or only to the unpacking, stays out of the images.
tidy() {
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root"/var/log/apt \
        "$root"/usr/share/{doc,info,locale,man}/* "$root"/etc/{resolv.conf,hostname}
}
import() { # image, further docker import options
    local image=$1
    shift
    tar -C "$root" --numeric-owner -c . | docker import "$@" - "$image" >/dev/null
    say "made $image"
}

resolver=$(cat "$root/etc/resolv.conf" 2>/dev/null || true)
tidy
if [[ " ${missing[*]} " == *" $RUNTIME_IMAGE "* ]]; then
    import "$RUNTIME_IMAGE" --change 'CMD ["bash"]'
fi

if [[ " ${missing[*]} " == *" $RUST_IMAGE "* ]]; then
    toolchain=$(rustc --print sysroot) || fail "no Rust toolchain here to put into $RUST_IMAGE"
    version=$(rustc --version | cut -d ' ' -f 2)
    printf '%s\n' "$RUST_MINIMUM" "$version" | sort -CV || fail "rustc $version here is older than $RUST_MINIMUM"

    say "adding a C compiler and rustc $version"
    printf '%s\n' "$resolver" >"$root/etc/resolv.conf"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no daemon starts in there
    chmod +x "$root/usr/sbin/policy-rc.d"
    {
        chroot "$root" apt-get update
        DEBIAN_FRONTEND=noninteractive chroot "$root" \
            apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev
    } >"$work/apt.log" 2>&1 || { tail -20 "$work/apt.log" >&2; fail "apt-get failed"; }
    rm "$root/usr/sbin/policy-rc.d"
    # What this machine trusts to fetch crates, a build in a container must trust as well.
    if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
        cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    fi
    mkdir -p "$root/usr/local/cargo/bin"
    for program in cargo rustc rustdoc; do cp "$toolchain/bin/$program" "$root/usr/local/bin/"; done
    tar -C "$toolchain" -c --exclude=lib/rustlib/src lib | tar -C "$root/usr/local" -x
    tidy
    import "$RUST_IMAGE" --change 'CMD ["bash"]' --change 'ENV CARGO_HOME=/usr/local/cargo' \
        --change 'ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
fi
