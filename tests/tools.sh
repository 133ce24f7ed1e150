#!/bin/sh
# What the tests need beyond cargo, a C compiler and make: installed where that is permitted,
# otherwise named with the command that installs it.
set -u

missing=
need() { # need COMMAND PACKAGE
    # A super-server lies where PATH leads only root.
    PATH="$PATH:${SBIN:-/usr/sbin}" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
file() { # file PATH PACKAGE
    [ -e "$1" ] || missing="$missing $2"
}
header() { # header FILE PACKAGE
    [ -e "/usr/include/$1" ] || missing="$missing $2"
}

wished=
wish() { # wish COMMAND PACKAGE: installed where that is permitted; without it tests say that they skip
    command -v "$1" >/dev/null 2>&1 || wished="$wished $2"
}

if command -v apt-get >/dev/null 2>&1; then
    install='apt-get install -y --no-install-recommends'
    need nc netcat-openbsd; need python3 python3; need strace strace; need rdate rdate
    need netstat net-tools; need ip iproute2; need unshare util-linux; need script bsdutils
    header liburing.h liburing-dev
    file /etc/services netbase; file /etc/protocols netbase
    need valgrind valgrind
    need nft nftables; need traceroute traceroute; need setpriv util-linux
    need socat socat; need tcpserver ucspi-tcp; need inetd openbsd-inetd
    need prove perl
    wish chromium 'chromium fonts-dejavu-core'
elif command -v dnf >/dev/null 2>&1; then
    install='dnf install -y'
    need nc netcat; need python3 python3; need strace strace; need rdate rdate
    need netstat net-tools; need ip iproute; need unshare util-linux; need script util-linux
    header liburing.h liburing-devel
    file /etc/services setup; file /etc/protocols setup
    need valgrind valgrind; need prove perl-Test-Harness
    need nft nftables; need traceroute traceroute; need setpriv util-linux
    wish chromium chromium
elif command -v pacman >/dev/null 2>&1; then
    install='pacman -S --noconfirm'
    need nc openbsd-netcat; need python3 python; need strace strace
    need netstat net-tools; need ip iproute2; need unshare util-linux; need script util-linux
    header liburing.h liburing
    file /etc/services iana-etc; file /etc/protocols iana-etc
    need valgrind valgrind
    need nft nftables; need traceroute traceroute; need setpriv util-linux
    wish chromium 'chromium ttf-dejavu'
elif command -v apk >/dev/null 2>&1; then
    install='apk add'
    need nc netcat-openbsd; need python3 python3; need strace strace
    need netstat net-tools; need ip iproute2; need unshare util-linux; need script util-linux-misc
    header liburing.h liburing-dev
    file /etc/services alpine-baselayout-data; file /etc/protocols alpine-baselayout-data
    need valgrind valgrind
    need nft nftables; need traceroute traceroute; need setpriv setpriv
    wish chromium 'chromium font-dejavu'
else
    install='your package manager:'
    need nc netcat-openbsd; need python3 python3; need strace strace
    need netstat net-tools; need ip iproute2; need unshare util-linux; need script util-linux
    header liburing.h liburing
    file /etc/services netbase; file /etc/protocols netbase
    need valgrind valgrind
    need nft nftables; need traceroute traceroute; need setpriv util-linux
fi

[ -z "$missing$wished" ] && exit 0
if [ "$(id -u)" = 0 ] && [ "$install" != 'your package manager:' ]; then
    echo "installing$missing$wished" >&2
    case $install in apt-get*) apt-get update -qq >/dev/null ;; esac
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    [ -z "$missing" ] || { $install $missing >/dev/null && missing=; }
    # shellcheck disable=SC2086
    [ -z "$wished" ] || $install $wished >/dev/null
fi
[ -z "$missing" ] && exit 0
echo "the tests need$missing: sudo $install$missing" >&2
exit 1
