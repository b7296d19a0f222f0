#!/bin/sh
# Sets up .venv: `setup.sh run` for the server, `setup.sh dev` also for the tests.
# Installs missing Debian packages if run as root; otherwise lists them in one line and exits with 1.
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


# install FILE PACKAGE...: install the libraries in FILE; those without a wheel need the Debian packages
install() {
    file=$1
    shift
    pip -r "$file" 2>.venv/pip.log && return
    if grep -Eq "subprocess-exited-with-error|Failed to build" .venv/pip.log; then
        need "$@"
        # PYPI=1 makes lgpio include its C library, like its wheels.
        PYPI=1 pip -r "$file" 2>.venv/pip.log && return
    fi
    tail -n 20 .venv/pip.log >&2
    echo "Installing the libraries failed; see .venv/pip.log" >&2
    exit 1
}

# packages PATTERN FILE: print the entries of matching packages in FILE, with their hashes
packages() { awk -v names="^($1)==" '/^[^ #]/ { found = $0 ~ names } found' "$2"; }
# without PATTERN FILE: print all other entries
without() { awk -v names="^($1)==" '/^[^ #]/ { found = $0 ~ names } !found' "$2"; }

# RPi.GPIO has to be compiled, so it is only installed on a Pi. It does not run on a Pi 5, nor without root on a
# kernel without /dev/gpiomem, such as Debian's.
model=$(tr -d '\0' 2>/dev/null </proc/device-tree/model || true)
case "$model" in
*"Raspberry Pi 5"* | *"Compute Module 5"*) gpio=rpi-lgpio ;;
*"Raspberry Pi"*)
    gpio=rpi-gpio
    [ -e /dev/gpiomem ] || [ "$(uname -m)" = armv6l ] || gpio=rpi-lgpio # not on the first Pi, where it does not run
    ;;
*) gpio= ;;
esac
# Environment markers have the kernel's architecture, which is aarch64 even for a 32-bit Python on a 64-bit kernel,
# but psycopg-binary has only 64-bit wheels. Without it, psycopg uses the system's libpq.
binary=
.venv/bin/python -c 'import sys; sys.exit(sys.maxsize > 2**32)' && binary="|psycopg-binary"
without "rpi-gpio$binary" requirements.txt >.venv/requirements.txt
install .venv/requirements.txt gcc g++ make libc6-dev libffi-dev libzmq3-dev python3-dev

# Both packages provide the module RPi.GPIO. An SD card from another model still has the other one.
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
PATH="$PATH:/usr/sbin" # for nginx, haproxy and others
command -v chromium >/dev/null || packages="$packages chromium"
command -v firefox-esr >/dev/null || packages="$packages firefox-esr"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || packages="$packages postgresql"
command -v npm >/dev/null || packages="$packages npm"
command -v shellcheck >/dev/null || packages="$packages shellcheck"
for program in curl:curl ip:iproute2 chattr:e2fsprogs strace:strace nginx:nginx-light haproxy:haproxy pgbouncer:pgbouncer mmdebstrap:mmdebstrap mosquitto:mosquitto promtool:prometheus arch-test:arch-test podman:podman buildah:buildah systemd-analyze:systemd; do
    command -v "${program%:*}" >/dev/null || packages="$packages ${program#*:}"
done
command -v gcc >/dev/null || packages="$packages gcc libc6-dev"
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")')
[ -f "$header" ] || packages="$packages python3-dev"
# shellcheck disable=SC2086 # a list of words
[ -z "$packages" ] || need $packages
# On other machines the tests use RPi.GPIO with a fake Pi.
without "${gpio:+rpi-gpio}$binary" requirements-dev.txt >.venv/requirements-dev.txt
pip -r .venv/requirements-dev.txt
npm ci --silent --no-audit --no-fund
