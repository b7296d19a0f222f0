#!/bin/sh
# Downloads the vendored script, unmodified, from the npm package.
set -eu
cd "$(dirname "$0")/../static/vendor"
version=4.8.4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "socket.io-client@$version" >/dev/null && tar xzf ./*.tgz)
cp "$work/package/dist/socket.io.min.js" "socket.io-$version.min.js"
cp "$work/package/LICENSE" "socket.io-$version.LICENSE"
