#!/bin/sh
# systemd.sh ROOT: boots systemd from a root folder as PID 1 in new namespaces, without a network.
set -eu
root=$1
for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/button-test" # the only subtree visible to the new system
    echo $$ >"$hierarchy/button-test/cgroup.procs"
done
# shellcheck disable=SC2016 # for the inner shell
exec unshare --pid --mount --cgroup --uts --ipc --net --fork --kill-child sh -euc '
    mount --make-rprivate /
    mount --rbind "$0" "$0"
    cd "$0"
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mount -t tmpfs tmpfs run
    mount -t tmpfs -o mode=755 tmpfs dev
    mkdir dev/pts dev/shm
    ln -s /proc/self/fd dev/fd
    for device in null zero full random urandom tty; do
        touch "dev/$device"
        mount --bind "/dev/$device" "dev/$device"
    done
    if [ -d /sys/fs/cgroup/unified ]; then
        mount -t tmpfs tmpfs sys/fs/cgroup
        mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
        mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
        mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
    else
        mount -t cgroup2 cgroup2 sys/fs/cgroup
    fi
    # No container may load modules; systemd of Debian 13 would count as degraded.
    ln -sf /dev/null etc/systemd/system/systemd-modules-load.service
    hostname the-pi
    exec chroot . env -i container=button PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --unit=multi-user.target
' "$root"
