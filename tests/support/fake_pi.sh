#!/bin/sh
# fake_pi.sh REGISTERS CPUINFO COMMAND...: runs a command on a simulated Raspberry Pi.
# Requires root. In a private mount namespace, the file REGISTERS is mounted on /dev/gpiomem, the page with the
# chip's registers, and CPUINFO on /proc/cpuinfo. Other processes are not affected.
set -eu
if [ "${FAKEPI:-}" != inside ]; then
    FAKEPI=inside exec unshare --mount --propagation private "$0" "$@"
fi
unset FAKEPI
registers=$1 cpuinfo=$2
shift 2
mount --bind "$cpuinfo" /proc/cpuinfo
devices=$(mktemp -d)
mount -t tmpfs -o dev tmpfs "$devices"
for path in /dev/*; do
    copy=$devices/${path#/dev/}
    if [ -L "$path" ]; then
        cp -a "$path" "$copy"
    elif [ -d "$path" ]; then
        mkdir "$copy"
        mount --rbind "$path" "$copy"
    else
        : >"$copy"
        mount --bind "$path" "$copy"
    fi
done
: >"$devices/gpiomem"
mount --bind "$registers" "$devices/gpiomem"
mount --move "$devices" /dev
rmdir "$devices" 2>/dev/null || :
exec "$@"
