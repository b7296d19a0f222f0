#!/bin/sh
# Sets up .venv: `setup.sh run` for the server, `setup.sh dev` for the tests, too.
# Installs missing Debian packages if run as root; else lists them in one line and exits with 1.
set -eu
cd "$(dirname "$0")/.."
target=${1:-run}
python=${PYTHON:-python3}

need() { # need PACKAGE...: install these Debian packages
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing $*"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        echo "Missing packages; as root: apt-get install $*" >&2
        exit 1
    fi
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is required; set one with make PYTHON=..." >&2
    exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv
.venv/bin/python -c 'import pip' 2>/dev/null || "$python" -m venv --clear .venv
export PIP_USER=0 # a `user = true` in pip's configuration would fail in a virtual environment
pip() { .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes "$@"; }


# install FILE PACKAGE...: install what FILE pins; what has no wheel is compiled with these Debian packages
install() {
    file=$1
    shift
    pip -r "$file" 2>.venv/pip.log && return
    if grep -Eq "subprocess-exited-with-error|Failed to build" .venv/pip.log; then
        need "$@"
        # PYPI: lgpio then includes its C library, as its wheels do.
        PYPI=1 pip -r "$file" 2>.venv/pip.log && return
    fi
    tail -n 20 .venv/pip.log >&2
    echo "Installing the libraries failed; see .venv/pip.log" >&2
    exit 1
}

# packages PATTERN FILE: print the entries of FILE, with hashes, of the packages whose names match
packages() { awk -v names="^($1)==" '/^[^ #]/ { found = $0 ~ names } found' "$2"; }
# without PATTERN FILE: print all other entries
without() { awk -v names="^($1)==" '/^[^ #]/ { found = $0 ~ names } !found' "$2"; }

# RPi.GPIO is compiled, so only where there are pins. It does not run on a Pi 5, nor as the service's user where
# the kernel has no /dev/gpiomem, such as Debian's own.
model=$(tr -d '\0' 2>/dev/null </proc/device-tree/model || true)
case "$model" in
*"Raspberry Pi 5"* | *"Compute Module 5"*) gpio=rpi-lgpio ;;
*"Raspberry Pi"*)
    gpio=rpi-gpio
    [ -e /dev/gpiomem ] || [ "$(uname -m)" = armv6l ] || gpio=rpi-lgpio # which does not run on the first Pi
    ;;
*) gpio= ;;
esac
# The markers see the kernel's architecture: a 32-bit Python on a 64-bit kernel also reports aarch64, but
# psycopg-binary has only 64-bit wheels. psycopg then uses the system's libpq.
binary=
.venv/bin/python -c 'import sys; sys.exit(sys.maxsize > 2**32)' && binary="|psycopg-binary"
without "rpi-gpio$binary" requirements.txt >.venv/requirements.txt
install .venv/requirements.txt gcc g++ make libc6-dev libffi-dev python3-dev

# Both install the module RPi.GPIO; an SD card moved from another model still has the other one.
case "$gpio" in rpi-lgpio) other=RPi.GPIO ;; *) other=rpi-lgpio ;; esac
if [ -n "$gpio" ] && .venv/bin/python -m pip show --quiet "$other" 2>/dev/null; then
    .venv/bin/python -m pip uninstall --quiet --yes "$other"
fi
case "$gpio" in
rpi-lgpio) install deploy/requirements-lgpio.txt gcc libc6-dev python3-dev swig ;;
rpi-gpio)
    packages rpi-gpio requirements.txt >.venv/requirements-gpio.txt
    install .venv/requirements-gpio.txt gcc libc6-dev python3-dev
    ;;
esac
[ "$target" = dev ] || exit 0

packages=
PATH="$PATH:/usr/sbin" # where the servers are
command -v chromium >/dev/null || packages="$packages chromium"
command -v firefox-esr >/dev/null || packages="$packages firefox-esr"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || packages="$packages postgresql"
command -v npm >/dev/null || packages="$packages npm"
command -v shellcheck >/dev/null || packages="$packages shellcheck"
for program in curl:curl chattr:e2fsprogs strace:strace nginx:nginx-light haproxy:haproxy pgbouncer:pgbouncer mmdebstrap:mmdebstrap mosquitto:mosquitto promtool:prometheus arch-test:arch-test podman:podman buildah:buildah systemd-analyze:systemd; do
    command -v "${program%:*}" >/dev/null || packages="$packages ${program#*:}"
done
command -v gcc >/dev/null || packages="$packages gcc libc6-dev"
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")')
[ -f "$header" ] || packages="$packages python3-dev"
# shellcheck disable=SC2086 # a list of words
[ -z "$packages" ] || need $packages
# Elsewhere the tests use RPi.GPIO with a fake Pi.
without "${gpio:+rpi-gpio}$binary" requirements-dev.txt >.venv/requirements-dev.txt
pip -r .venv/requirements-dev.txt
npm ci --silent --no-audit --no-fund
