#!/bin/sh
# Runs a command in network, mount and process namespaces of its own: test/kubelet/own-namespaces.sh COMMAND [ARGUMENT…]
# What it starts, mounts, listens on or writes into iptables is in there, and goes with it. Needs root.
set -eu
inside='
  mount --make-rshared /
  for folder in /run /var/log /var/lib/kubelet /var/lib/cni; do
    mkdir -p "$folder"
    mount -t tmpfs tmpfs "$folder"
    mount --make-rshared "$folder"
  done
  ip link set lo up
  ip link add node0 type bridge
  ip addr add 172.31.255.1/24 dev node0
  ip link set node0 up
  ip route add default dev node0
  export GPU_COMMONS_OWN_NAMESPACES=1
  "$@"
'
# The one thing that has no namespace here: what a kubelet leaves behind of control groups goes, if it was not there before.
groups() { ls -d /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods 2>/dev/null || true; }
before=$(groups)
code=0
setpriv --pdeathsig KILL -- unshare --net --mount --pid --fork --kill-child --mount-proc -- sh -euc "$inside" sh "$@" || code=$?
if [ -z "$before" ]; then
  groups | while read -r group; do find "$group" -depth -type d -exec rmdir {} \; || true; done
fi
exit "$code"
