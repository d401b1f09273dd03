#!/bin/sh
# install.sh: installs edge-filter from this folder. Filters nothing until it is configured and
# started. install.sh --uninstall takes the filter off and removes all but configuration and
# state; install.sh --purge removes these too. DESTDIR=... installs into another root.
set -eu

from=$(cd "$(dirname "$0")" && pwd)/root
root=${DESTDIR:-}
config=/etc/edge-filter/config.toml

files() {
    cd "$from" && find . -type f | sed 's/^\.//' | sort
}

# Only of the host itself, and only where systemd runs.
service() {
    if [ -z "$root" ] && [ -d /run/systemd/system ]; then
        systemctl "$@"
    fi
}

install_all() {
    files | while read -r file; do
        target=$root$file
        if [ "$file" = "$config" ] && [ -e "$target" ]; then
            if cmp -s "$from$file" "$target"; then
                continue
            fi
            target=$target.new
            echo "kept $config; the new default is $target"
        fi
        mkdir -p "$(dirname "$target")"
        # Beside it, then renamed: a running program cannot be written to.
        cp -p "$from$file" "$target.installing"
        mv -f "$target.installing" "$target"
    done
    service daemon-reload
    # One that runs takes the new version; the filter stays in force meanwhile.
    service try-restart edge-filter.service
    echo "installed; next: edit $config, then edge-filter check and edge-filter doctor"
}

uninstall() {
    service --quiet disable --now edge-filter.service || true
    if [ -z "$root" ] && [ -x /usr/bin/edge-filter ]; then
        /usr/bin/edge-filter unload
    fi
    files | while read -r file; do
        if [ "$file" != "$config" ]; then
            rm -f "$root$file"
        fi
    done
    # Folders of its own; others stay.
    rm -rf "$root/usr/share/edge-filter" "$root/usr/share/doc/edge-filter"
    service daemon-reload
}

case "${1:-}" in
    "") install_all ;;
    --uninstall) uninstall ;;
    --purge)
        uninstall
        rm -rf "$root/etc/edge-filter" "$root/var/lib/edge-filter" "$root/run/edge-filter"
        ;;
    *)
        echo "usage: $0 [--uninstall | --purge]" >&2
        exit 2
        ;;
esac
