#!/bin/sh
# root.sh PROGRAM FOLDER: lays out the root of a container in FOLDER, which must not exist: the
# program, the libraries that it is linked with, and the folders that are mounted over.
set -eu
program=$1
root=$2

mkdir "$root"
for folder in etc/edge-filter proc run/edge-filter sys tmp usr/bin var/lib/edge-filter; do
    mkdir -p "$root/$folder"
done
cp "$program" "$root/usr/bin/edge-filter"
chmod 755 "$root/usr/bin/edge-filter"

# `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the loader: `/lib64/ld-linux-… (0x…)`.
# The program names the loader by that path; the loader finds the others where Debian has them.
libraries=$(ldd "$program" | sed -n 's/^.*[[:space:]]\(\/[^ ]*\) (0x[0-9a-f]*)$/\1/p')
case $libraries in
    *ld-linux*) ;;
    *) echo "root.sh: ldd names no loader for $program: was it built for this machine?" >&2; exit 1 ;;
esac
for library in $libraries; do
    mkdir -p "$root$(dirname "$library")"
    cp --dereference "$library" "$root$library"
done

# Of other users nothing is needed, but names.
echo 'root:x:0:0:root:/:/usr/bin/edge-filter' >"$root/etc/passwd"
