#!/bin/sh
# trial.sh ROOT PACKAGE: installs a .deb or .rpm into the Debian at ROOT, runs what it brings,
# installs it once more, removes it, and looks for what is left. In network and mount namespaces
# of its own, which the caller makes: interfaces and mounts go with them.
set -eu
root=$1
package=$2
step() { echo "trial: $*" >&2; }
fail() { echo "trial: FAILED: $*" >&2; exit 1; }
inside() { chroot "$root" "$@"; }
is_attached() { ip -details link show eth0 | grep -q xdp; }

case $package in
    *.deb)
        cp "$package" "$root/tmp/package.deb"
        install() { inside dpkg --install /tmp/package.deb; }
        remove() { inside dpkg --remove edge-filter; }
        purge() { inside dpkg --purge edge-filter; }
        ;;
    *.rpm)
        # Debian's packages bring what it needs, which its database does not know.
        install() { rpm --root "$root" --nodeps -U --replacepkgs "$package"; }
        remove() { :; }
        purge() { rpm --root "$root" --erase edge-filter; }
        ;;
esac
# All but the books of the package managers themselves. rpm leaves folders that others may share:
# of folders, those of this name.
files() {
    case $package in
        *.rpm) all_files | while read -r path; do
            if [ ! -d "$root$path" ] || [ "${path#*edge-filter}" != "$path" ]; then echo "$path"; fi
        done ;;
        *) all_files ;;
    esac
}
all_files() {
    inside find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /var/lib/dpkg \
        -o -path /var/lib/rpm -o -path /usr/lib/sysimage -o -path /root/.rpmdb \
        -o -path /var/log -o -path /var/cache \) -prune -o -print | sort
}

# A systemd that runs, as far as the scripts of packages can see: it notes what it is told. One
# that cannot start the daemon again must not fail an upgrade.
if [ -e "$root/usr/bin/systemctl" ]; then fail "this Debian has a systemd of its own"; fi
cat >"$root/usr/bin/systemctl" <<'END'
#!/bin/sh
echo "systemctl $*" >>/tmp/told
[ "$1" != try-restart ] || [ ! -e /tmp/restart-fails ]
END
cat >"$root/usr/bin/systemd-tmpfiles" <<'END'
#!/bin/sh
echo "systemd-tmpfiles $*" >>/tmp/told
END
chmod 755 "$root/usr/bin/systemctl" "$root/usr/bin/systemd-tmpfiles"
mkdir -p "$root/run/systemd/system"
# What it was told since the last time must be this, a line each.
told() {
    wanted=$(printf '%s\n' "$@")
    told=$(cat "$root/tmp/told" 2>/dev/null || true)
    [ "$told" = "$wanted" ] || fail "systemd was told '$told' instead of '$wanted'"
    rm -f "$root/tmp/told"
}
undo_systemd() {
    rm -rf "$root/usr/bin/systemctl" "$root/usr/bin/systemd-tmpfiles" "$root/run/systemd" \
        "$root/tmp/told" "$root/tmp/restart-fails"
}
trap undo_systemd EXIT

ip link set lo up
ip link add eth0 type veth peer name peer0
ip link set eth0 up
ip link set peer0 up
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t bpf bpf "$root/sys/fs/bpf"
before=$(files)

step "install"
install
told "systemd-tmpfiles --create edge-filter.conf" "systemctl daemon-reload"
if is_attached; then fail "installing it filters"; fi
inside edge-filter --version
inside edge-filter check

step "run"
chroot "$root" edge-filter run 2>"$root/tmp/log" &
daemon=$!
trap 'kill -9 "$daemon" 2>/dev/null || true; undo_systemd' EXIT
until inside edge-filter reload >/dev/null 2>&1; do
    kill -0 "$daemon" 2>/dev/null || fail "the daemon ended: $(cat "$root/tmp/log")"
    sleep 0.1
done
is_attached || fail "the daemon attached nothing"
inside edge-filter ban 192.0.2.66
inside edge-filter status

step "upgrade"
install
grep -q "^systemctl try-restart edge-filter.service$" "$root/tmp/told" ||
    fail "an upgrade does not restart the daemon"
touch "$root/tmp/restart-fails"
install 2>"$root/tmp/said" || fail "a daemon that does not start fails the upgrade"
grep -q "the filter is in force as it was" "$root/tmp/said" || fail "nobody says that it did not start"
rm "$root/tmp/restart-fails" "$root/tmp/told"
is_attached || fail "the upgrade took the filter off"
inside edge-filter bans | grep -q 192.0.2.66 || fail "the upgrade lost a ban"
kill "$daemon"
wait "$daemon"
is_attached || fail "the end of the daemon took the filter off"

step "remove"
remove
case $package in
    *.deb)
        told "systemctl --quiet disable --now edge-filter.service" "systemctl daemon-reload"
        if is_attached; then fail "removing left the filter"; fi
        [ -e "$root/etc/edge-filter/config.toml" ] || fail "removing took the configuration"
        ;;
esac

step "purge"
purge
case $package in
    *.deb) told "systemctl daemon-reload" ;;
    *.rpm) told "systemctl --quiet disable --now edge-filter.service" "systemctl daemon-reload" ;;
esac
if is_attached; then fail "purging left the filter"; fi
[ ! -e "$root/sys/fs/bpf/edge-filter" ] || fail "purging left pins"
after=$(files)
if [ "$before" != "$after" ]; then
    echo "$before" >"$root/tmp/before"
    echo "$after" >"$root/tmp/after"
    diff "$root/tmp/before" "$root/tmp/after" >&2 || true
    fail "purging left files"
fi
step "nothing is left of $package"
