#!/bin/sh
# Installs The Button as a service on Raspberry Pi OS or Debian, or upgrades it and keeps all data.
#   sudo deploy/install.sh
# The program is in /opt/the-button, the settings in /etc/the-button.env, the database in /var/lib/the-button.
set -eu
umask 022 # the service needs to read the installed files
cd "$(dirname "$0")/.."
name=the-button
home=/var/lib/$name
env=/etc/$name.env
unit=/etc/systemd/system/$name.service

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

# put MODE SOURCE TARGET: install a file atomically, so that a power cut leaves the old or the new one.
put() {
    install -m "$1" "$2" "$3.new"
    sync "$3.new"
    mv -T "$3.new" "$3"
    sync "$(dirname "$3")"
}

[ "$(id -u)" = 0 ] || fail "must be run as root: sudo deploy/install.sh"
exec 9>/run/$name-install.lock
flock -n 9 || fail "another install.sh is running; wait for it"
command -v apt-get >/dev/null || fail "supports Debian and Raspberry Pi OS only; elsewhere use make run and deploy/$name.service"

packages="python3 python3-venv adduser dbus" # systemd-run needs dbus
case "$(dpkg --print-architecture)" in
amd64 | arm64) ;;
*) packages="$packages libpq5" ;; # psycopg has no wheels
esac
missing=
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "Installing$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # word splitting intended
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

getent passwd $name >/dev/null || adduser --quiet --system --group --home $home --no-create-home $name
! getent group gpio >/dev/null || adduser --quiet $name gpio
install -d -m 0700 -o $name -g $name $home

# Each release has its own folder, so that a failed installation leaves the previous one running.
release=/opt/$name/$(date -u +%Y%m%dT%H%M%SZ)
previous=$(readlink /opt/$name/current || true)
install -d "$release"
trap 'rm -rf "$release"' EXIT
cp -R app.py settings.py hardware integrations storage realtime web templates static deploy \
    requirements.txt LICENSE "$release"
install -D -m 0644 -t "$release/docs" docs/*.md
chmod -R u=rwX,go=rX "$release" # the clone may have been made with another umask
find "$release" -name __pycache__ -prune -exec rm -rf {} +
echo "Installing the libraries"
sh "$release/deploy/setup.sh" run
"$release/.venv/bin/python" -m compileall -q "$release"/*.py "$release"/[hrsw]*/ # the service has no write access

fresh=
[ -e $env ] || fresh=yes
file=$(readlink -f $env) # keep a symbolic link
umask 027
(cd "$release" && .venv/bin/python -m settings "$file") >"$file.new"
if [ -n "$fresh" ]; then
    sed -i "s|^#BUTTON_PORT=.*|BUTTON_PORT=80|; s|^#BUTTON_BACKUPS=.*|BUTTON_BACKUPS=$home/backups|" "$file.new"
fi
chown root:$name "$file.new"
sync "$file.new"
mv "$file.new" "$file"
umask 022

# Several servers, on PostgreSQL: systemctl enable --now the-button@8001 the-button@8002
sed -e "s|^ExecStart=|ExecStart=/usr/bin/env BUTTON_PORT=%i BUTTON_HARDWARE=none |" \
    -e "s|^Description=.*|&, port %i|" deploy/$name.service >"$release/$name@.service"

# deploy/the-button-check compares the files with this list at each start. The service cannot change them.
files=$(cd "$release" && find . -type f -printf '%s %P\n' | LC_ALL=C sort)
echo "$files" >"$release/.files"
# ext4 commits a rename within 5 s, but new file data up to 30 s later, so sync before switching.
sync
trap - EXIT
switch_to() {
    ln -sfn "$1" /opt/$name/current.new
    mv -T /opt/$name/current.new /opt/$name/current
    sync /opt/$name
}
switch_to "$release"
put 0644 deploy/$name.service $unit
put 0755 deploy/$name /usr/local/bin/$name
put 0755 deploy/$name-check /usr/local/lib/$name-check
put 0644 "$release/$name@.service" /etc/systemd/system/$name@.service

if [ ! -d /run/systemd/system ]; then
    systemctl enable --quiet $name 2>/dev/null || true
    echo "Installed. systemd is not running; it will start the server at boot"
    exit 0
fi
since=$(date "+%Y-%m-%d %H:%M:%S")
systemctl daemon-reload
systemctl enable --quiet $name
if ! systemctl restart $name; then
    if [ -n "$previous" ] && [ -d "$previous" ]; then
        switch_to "$previous"
        rm -rf "$release"
        systemctl restart $name || true
        fail "the new release did not start and was rolled back to the previous one; see journalctl -u $name"
    fi
    fail "the server did not start; see journalctl -u $name"
fi

for old in "/opt/$name"/2*; do
    [ "$old" = "$release" ] || [ "$old" = "$previous" ] || rm -rf "$old"
done

# Have systemd parse the file, with its quotes, comments and line endings.
environment=$(systemd-run --quiet --pipe --wait --collect -p EnvironmentFile=$env env)
port=$(echo "$environment" | sed -n 's/^BUTTON_PORT=//p')
host=$(echo "$environment" | sed -n 's/^BUTTON_HOST=//p')
[ "${port:=8000}" = 80 ] && suffix='' || suffix=:$port
echo "The Button is at:"
case "${host:=0.0.0.0}" in
0.0.0.0 | ::) { systemctl -q is-active avahi-daemon 2>/dev/null && echo "$(hostname).local"; hostname -I | tr ' ' '\n'; } ;;
*) echo "$host" ;;
esac |
    sed -e '/^$/d' -e 's/.*:.*/[&]/' -e "s|.*|  http://&$suffix/|"
for _ in 1 2 3 4 5; do
    password=$(journalctl -u $name --since "$since" -o cat | sed -n 's/^Admin password: //p')
    [ -n "$password" ] || [ -z "$fresh" ] && break
    sleep 1
done
if [ -n "$password" ]; then
    echo "Admin password: $password"
else
    echo "The admin password is unchanged; to change it: sudo the-button set-password"
fi
