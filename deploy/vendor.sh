#!/bin/sh
# Downloads the vendored script and font from npm. The script is unmodified; the font is reduced to Latin-1.
set -eu
cd "$(dirname "$0")/.."
version=4.8.4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() { # fetch PACKAGE: unpack an npm package into $work/package
    (cd "$work" && rm -rf package ./*.tgz && npm pack --silent "$1" >/dev/null && tar xzf ./*.tgz)
}

fetch "socket.io-client@$version"
cp "$work/package/dist/socket.io.min.js" "static/vendor/socket.io-$version.min.js"
cp "$work/package/LICENSE" "static/vendor/socket.io-$version.LICENSE"

fetch "@fontsource-variable/inter@5.3.0"
.venv/bin/fonttools varLib.instancer --quiet --output "$work/inter.ttf" \
    "$work/package/files/inter-latin-wght-normal.woff2" wght=400:800
.venv/bin/pyftsubset "$work/inter.ttf" --unicodes=U+20-7E,U+A0-FF,U+2013,U+2014,U+2018-201E,U+2026,U+20AC \
    --layout-features=kern,tnum --flavor=woff2 --output-file=static/fonts/inter.woff2
cp "$work/package/LICENSE" static/fonts/inter.LICENSE
