#!/bin/sh
# Uninstalls The Button. Keeps the count and the settings unless --purge is given.
#   sudo deploy/uninstall.sh [--purge]
set -eu
name=the-button

[ "$(id -u)" = 0 ] || {
    echo "uninstall.sh: must be run as root: sudo deploy/uninstall.sh" >&2
    exit 1
}
case "${1:-}" in
"" | --purge) ;;
*)
    echo "uninstall.sh: expected --purge or nothing, got $1" >&2
    exit 2
    ;;
esac
if [ -d /run/systemd/system ]; then
    systemctl stop $name "$name@*" || true
fi
rm -rf /opt/$name /usr/local/bin/$name /usr/local/lib/$name-check /etc/systemd/system/$name.service /etc/systemd/system/$name@.service \
    /etc/systemd/system/multi-user.target.wants/$name.service \
    /etc/systemd/system/multi-user.target.wants/$name@*.service
[ ! -d /run/systemd/system ] || systemctl daemon-reload
if [ "${1:-}" = --purge ]; then
    rm -rf /var/lib/$name /etc/$name.env
    ! getent passwd $name >/dev/null || deluser --quiet --system $name
else
    echo "Kept the count in /var/lib/$name and the settings in /etc/$name.env; to remove them, use --purge"
fi
