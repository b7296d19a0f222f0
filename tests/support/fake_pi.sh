#!/bin/sh
# fakepi.sh REGISTERS CPUINFO COMMAND...: runs a command that takes this machine for a Raspberry Pi.
# In a mount namespace of its own (so as root) the file REGISTERS is /dev/gpiomem, the page of the chip's
# registers, and CPUINFO is /proc/cpuinfo. Nothing else sees any of it.
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
