#!/bin/sh
# Init of the rig's kernel. Mounts the file systems, creates a simulated line GPIO17, runs the command given on the
# kernel command line, and powers off.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run # the rest is the host's file system, read-only
mount -t configfs config /sys/kernel/config
bank=/sys/kernel/config/gpio-sim/pi/bank0
mkdir -p $bank/line17
echo 54 >$bank/num_lines
echo pinctrl-bcm2711 >$bank/label
echo GPIO17 >$bank/line17/name
echo 1 >$bank/../live
ip link set lo up || ifconfig lo up
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/run TMPDIR=/run
read -r options </proc/cmdline
command=$(echo "$options" | sed -n 's/.*rig=\([^ ]*\).*/\1/p' | tr ',' ' ')
cd /run || exit
$command
echo o >/proc/sysrq-trigger
sleep 5
