#!/bin/busybox sh
# The first process of a guest: mounts what a host has, loads modules, runs the steps of /steps
# (`name program arguments`), says how each ended, and ends the machine. A kernel that dies on the
# way never says that it is done.
busybox=/bin/busybox
export PATH=/usr/sbin:/usr/bin:/bin TMPDIR=/tmp HOME=/root LC_ALL=C
export EDGE_FILTER_BIN=/bin/edge-filter EDGE_FILTER_NEXT_BIN=/bin/edge-filter-next-abi
export EDGE_FILTER_OBJECT_DIR=/objects RUST_BACKTRACE=0
# Where recorded texts are found, and that none is recorded here.
export INSTA_WORKSPACE_ROOT=/source INSTA_UPDATE=no
$busybox mount -t devtmpfs dev /dev
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sys /sys
$busybox mount -t tmpfs -o mode=1777 tmp /tmp
$busybox mount -t tmpfs run /run
$busybox mount -t bpf bpf /sys/fs/bpf
$busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
$busybox mount -t tracefs trace /sys/kernel/tracing
$busybox ip link set lo up
while read -r module; do
    $busybox insmod "/modules/$module" || echo "@@ module $module does not load"
done < /modules/order
echo "@@ release $($busybox uname -r)"
while read -r name arguments; do
    echo "@@ start $name"
    begin=$($busybox cut -d. -f1 /proc/uptime)
    $busybox timeout 1500 /bin/sh -c "$arguments"
    code=$?
    echo "@@ end $name $code $(($($busybox cut -d. -f1 /proc/uptime) - begin))"
done < /steps
echo "@@ done"
$busybox sync
$busybox poweroff -f
