#!/bin/bash
# In a Debian whose first process is systemd: installs edge-filter as an operator would, and looks
# whether the unit keeps its promises. `trial=` of the kernel's command line says which boot this is.
# On the console: `@@ ok …`, `@@ FAILED …` with what was said, and `@@ done`. The machine ends with it.
unit=edge-filter.service
config=/etc/edge-filter/config.toml
exec 3>/dev/ttyS0

# check WHAT COMMAND ARGUMENT...
check() {
    local what=$1
    shift
    if "$@" >/run/said 2>&1; then
        echo "@@ ok $what" >&3
    else
        echo "@@ FAILED $what" >&3
        cat /run/said >&3
        journalctl --unit "$unit" --boot --lines 20 --no-pager >&3
    fi
}
fails() { ! "$@"; }
# until_so COMMAND ARGUMENT...: within a minute.
until_so() {
    local end=$((SECONDS + 60))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}
is() { [ "$1" = "$2" ] || { echo "'$1' instead of '$2'"; return 1; }; }
property() { systemctl show --property "$1" --value "${2:-$unit}"; }
is_attached() { ip -details link show "$1" | grep -q 'prog/xdp'; }
generation() { edge-filter status | grep -o 'generation [0-9]*' | head -1; }
# What becomes of a connection to the host's port: nobody listens, so what arrives is refused.
connect() { ip netns exec client timeout 3 bash -c "exec 4<>/dev/tcp/10.77.0.1/$1" 2>&1; }
arrives() { connect "$1" | grep -q refused; }
is_dropped() { connect "$1" >/dev/null; is $? 124; }
filters() { arrives 7000 && is_dropped 7001; }
# Of a daemon that was killed: another one, and ready.
has_come_back() { [ "$(property MainPID)" != "$1" ] && is "$(property ActiveState)" active; }
told() { journalctl --unit "$unit" --boot --output cat --no-pager | grep -E "$1"; }
metrics() {
    exec 5<>/dev/tcp/127.0.0.1/9477
    printf 'GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&5
    cat <&5
}

# policy ALLOWED INTERFACE...
policy() {
    printf '[[interface]]\nname = "%s"\n' "${@:2}"
    cat <<END
[prefix_list.partners]
file = "partners.txt"

[[service]]
name = "seven"
ports = ["7000/tcp"]
allow = ["$1"]

[[service]]
name = "partners"
ports = ["7001/tcp"]
allow = ["partners"]
END
}

network() {
    ip netns add client
    ip link add s0 type veth peer name c0 netns client
    ip address add 10.77.0.1/24 dev s0
    ip link set s0 up
    ip -netns client address add 10.77.0.2/24 dev c0
    ip -netns client link set c0 up
}

install() {
    network
    check "the package installs" dpkg --install /trial/edge-filter.deb
    check "it is not enabled" fails systemctl is-enabled "$unit"
    check "it does not run" fails systemctl is-active "$unit"
    check "it filters nothing" fails is_attached eth0
    check "it can be enabled" systemctl enable "$unit"
    check "it starts with the configuration as installed" systemctl start "$unit"
    check "ready means attached" is_attached eth0

    local status=/proc/$(property MainPID)/status
    check "its bounding set is bpf, net_admin, perfmon" grep -q '^CapBnd:.*000000c000001000$' "$status"
    check "it has no capability beyond them" grep -qE '^CapEff:.*000000[c84]000001000$' "$status"
    check "it can gain no privileges" grep -q '^NoNewPrivs:.*1$' "$status"
    check "its system calls are filtered" grep -q '^Seccomp:.*2$' "$status"
    check "its status is told" edge-filter status
    check "doctor runs" edge-filter doctor --device eth0
    check "metrics are served" metrics
    check "its state is root's alone" is "$(stat -c %a:%U /var/lib/edge-filter)" 700:root

    echo 10.77.0.9 >/etc/edge-filter/partners.txt
    policy 10.77.0.2 eth0 s0 >"$config"
    check "a new policy comes in force by systemctl reload" systemctl reload "$unit"
    check "it filters" filters
    echo "allow = 1" >>"$config"
    check "a wrong file fails systemctl reload" fails systemctl reload "$unit"
    check "the journal names its line" told 'config.toml:[0-9]+:'
    check "the policy before stays in force" filters
    policy 10.77.0.2 eth0 s0 >"$config"
    check "the daemon is still active" systemctl is-active "$unit"

    local before
    before=$(generation)
    echo 10.77.0.2 >>/etc/edge-filter/partners.txt
    check "a list that grows comes in force by itself" until_so arrives 7001
    check "as another generation" fails is "$(generation)" "$before"
    echo 10.77.0.7 >/etc/edge-filter/partners.txt
    check "one that loses all is refused" until_so told 'max_shrink_percent'
    check "and the list before stays in force" arrives 7001
    echo 10.77.0.9 >/etc/edge-filter/partners.txt
    check "one that loses half is not" until_so is_dropped 7001

    policy 10.77.0.9 eth0 s0 >/root/new.toml
    sed -i 's,partners.txt,/etc/edge-filter/partners.txt,' /root/new.toml
    check "a candidate is put in force" edge-filter apply /root/new.toml --confirm 5m
    check "it judges" is_dropped 7000
    check "a rollback puts it out of force" edge-filter rollback
    check "the policy before judges" filters
    check "it is put in force again" edge-filter apply /root/new.toml --confirm 5m
    check "the daemon confirms it from within its sandbox" edge-filter confirm
    check "it is the configured file" grep -q 10.77.0.9 "$config"
    policy 10.77.0.2 eth0 s0 >"$config"
    check "the file before is reloaded" systemctl reload "$unit"

    check "a ban is taken" edge-filter ban 10.77.0.2 --for 1h
    check "a ban judges" is_dropped 7000
    check "it ends" edge-filter unban 10.77.0.2
    check "an ended ban does not" filters
    check "one is left for the next boot" edge-filter ban 203.0.113.66 --for 24h

    local daemon
    daemon=$(property MainPID)
    kill -9 "$daemon"
    check "a killed daemon leaves the filter" filters
    check "systemd starts another" until_so has_come_back "$daemon"
    check "it has been started once more" is "$(property NRestarts)" 1
    check "it filters as before" filters
    check "it knows the bans" sh -c 'edge-filter bans | grep -q 203.0.113.66'
    check "stopping it ends it" systemctl stop "$unit"
    check "stopping it leaves the filter" filters
    check "commands work without it" edge-filter counters
    before=$(ip -details link show s0 | grep -o 'xdp id [0-9]*')
    check "it starts again" systemctl start "$unit"
    check "it filters" filters
    check "it restarts" systemctl restart "$unit"
    check "it filters" filters
    without_refusals

    # From now on only what is there at boot.
    policy 10.77.0.2 eth0 >"$config"
    check "a configuration without the second interface is valid" edge-filter check
}

# What the sandbox would have kept it from.
without_refusals() {
    check "nothing was refused to it" fails told 'not permitted|ermission denied|ead-only file|EPERM|EACCES'
    check "the kernel ended no system call" fails sh -c 'journalctl --dmesg --boot | grep type=1326'
}

reboot() {
    check "it came up by itself" systemctl is-active "$unit"
    check "it is attached" is_attached eth0
    local ready network
    ready=$(property ActiveEnterTimestampMonotonic)
    network=$(property ActiveEnterTimestampMonotonic network-pre.target)
    check "it was ready ($ready us) before the network ($network us)" [ "0$ready" -gt 0 -a "$ready" -le "0$network" ]
    check "its policy is that of the file" sh -c 'edge-filter explain --src 10.77.0.3 --port 7000/tcp --device eth0 | grep -q not_allowed'
    check "bans survive a boot" sh -c 'edge-filter bans | grep -q 203.0.113.66'
    local daemon
    daemon=$(property MainPID)
    check "installing it again upgrades it" dpkg --install /trial/edge-filter.deb
    check "by another daemon" has_come_back "$daemon"
    check "it is attached" is_attached eth0
    check "it is still enabled" systemctl is-enabled "$unit"
    without_refusals
    echo "nonsense" >>"$config"
}

fallback() {
    check "it came up with a wrong file" systemctl is-active "$unit"
    check "it is attached" is_attached eth0
    check "by the policy before" sh -c 'edge-filter explain --src 10.77.0.3 --port 7000/tcp --device eth0 | grep -q not_allowed'
    check "and says so" sh -c 'edge-filter status | grep -q 'LAST GOOD ONE''
    check "and where the file is wrong" told 'config.toml:[0-9]+:'
    without_refusals

    check "removing it" dpkg --remove edge-filter
    check "takes the filter off" fails is_attached eth0
    check "and ends the daemon" fails systemctl is-active "$unit"
    check "and keeps the configuration" [ -e "$config" ]
    check "purging it" dpkg --purge edge-filter
    check "leaves no file" is "$(find / -xdev -name '*edge-filter*' ! -path '/trial/*' ! -path '/proc/*')" ""
    check "leaves no pin" is "$(ls /sys/fs/bpf)" ""
    check "leaves nothing in /run" is "$(find /run -name '*edge-filter*' ! -path '/run/systemd/*')" ""
}

check "the machine is up, and no unit has failed" is "$(systemctl is-system-running --wait)" running
boot=$(grep -o 'trial=[a-z]*' /proc/cmdline)
"${boot#trial=}"
echo "@@ done" >&3
systemctl poweroff --no-block
