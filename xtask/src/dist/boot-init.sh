#!/bin/busybox sh
# The first program of the machine: loads what the disk needs, and leaves it to the disk's own.
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
$busybox mount -t proc proc /proc
while read -r module; do
    $busybox insmod "/modules/$module" || echo "module $module does not load"
done < /modules/order
$busybox mount -t ext4 /dev/vda /root || $busybox poweroff -f
$busybox mount --move /dev /root/dev
$busybox umount /proc
exec $busybox switch_root /root /sbin/init
