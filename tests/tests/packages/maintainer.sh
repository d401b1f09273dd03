# maintainer.sh SCRIPTS: runs the scripts of the .deb as dpkg does where a systemd runs, and says
# what that was told. In a mount namespace of its own: /run, /etc and /var are empty folders in it.
set -eu
mount -t tmpfs tmpfs /mnt
mkdir /mnt/bin
cp "$1"/* /mnt
for folder in /run /etc /var; do mount -t tmpfs tmpfs "$folder"; done
mkdir -p /run/systemd/system /etc/edge-filter /var/lib/edge-filter
for program in systemctl systemd-tmpfiles edge-filter; do
    cat >"/mnt/bin/$program" <<'END'
#!/bin/sh
echo "${0##*/} $*"
[ "$1" != try-restart ] || [ ! -e /mnt/restart-fails ]
END
    chmod 755 "/mnt/bin/$program"
done
PATH=/mnt/bin:$PATH

run() { echo "$*:"; sh "/mnt/$@"; }
run postinst configure ""
run prerm upgrade 0.2.0
run postinst configure 0.1.0
touch /mnt/restart-fails
run postinst configure 0.1.0
run prerm remove
run postrm remove
[ -d /etc/edge-filter ] || echo "removing took the configuration"
run postrm purge
for folder in /etc/edge-filter /var/lib/edge-filter; do
    [ ! -e "$folder" ] || echo "purging left $folder"
done
