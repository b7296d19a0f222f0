#!/bin/sh
# Builds a User-Mode Linux kernel with gpio-sim from Debian's source, once per version, and prints its path. Takes 3
# to 5 minutes on 2 cores. If run as root, installs missing packages. User-Mode Linux needs x86. On other machines,
# use qemu-system with Debian's kernel, which has gpio-sim as a module, and init.sh as its init.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/the-button

case $(uname -m) in x86_64) ;; *)
    echo "User-Mode Linux needs x86; see build.sh for other machines" >&2
    exit 1
    ;;
esac
for tool in flex bison bc gcc make xz dpkg-deb; do
    command -v $tool >/dev/null && continue
    [ "$(id -u)" = 0 ] || {
        echo "Missing packages; as root: apt-get install flex bison bc gcc make xz-utils libc6-dev" >&2
        exit 1
    }
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        flex bison bc gcc make xz-utils libc6-dev >/dev/null
    break
done
package=$(apt-cache depends linux-source | sed -n 's/.*Depends: //p' | head -1)
version=$(apt-cache policy "$package" | sed -n 's/.*Candidate: //p')
kernel=$cache/linux-um-$version-$(cat "$here/config" "$here/build.sh" | cksum | cut -d' ' -f1)
if [ ! -x "$kernel" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    apt-get download -qq "$package" >&2
    dpkg-deb --fsys-tarfile "$package"_*.deb | tar xO "./usr/src/$package.tar.xz" | tar xJ
    # User-Mode Linux uses all its interrupt numbers, but the simulated line needs some.
    sed -i 's/#define NR_IRQS\t\t\tUM_LAST_SIGNAL_IRQ$/#define NR_IRQS\t\t\t(UM_LAST_SIGNAL_IRQ + 64)/' \
        "$package/arch/um/include/asm/irq.h"
    # Its buffer for a process's vector registers is too small for processors with AMX, which need 11 kB. The buffer
    # is on the kernel's stack, which is enlarged in ./config.
    sed -i 's/DEFINE_LONGS(HOST_FP_SIZE, 2696)/DEFINE_LONGS(HOST_FP_SIZE, 12288)/' \
        "$package/arch/x86/um/user-offsets.c"
    KCONFIG_ALLCONFIG=$here/config make -s -C "$package" ARCH=um O="$work/out" allnoconfig >&2
    make -s -C "$package" ARCH=um O="$work/out" -j"$(nproc)" linux >&2
    mkdir -p "$cache"
    mv out/linux "$kernel.new"
    mv "$kernel.new" "$kernel"
fi
echo "$kernel"
