# Prepares the namespaces of a node and keeps them. It is their first process: when it ends, all others do.
#
#   setup.sh ADDRESS CGROUP READY
#
# ADDRESS is that of the node, CGROUP the folder of its pods in each hierarchy, and READY is a file that is created at the end.
set -eu

# What the parts of a node write outside of the folder of the cluster.
for folder in /run /var/lib /var/log; do
    mount -t tmpfs tmpfs "$folder"
done
mkdir /run/netns

ip link set lo up
ip link add node type bridge
ip address add "$1/24" dev node
ip link set node up
ip route add default dev node
echo 1 > /proc/sys/net/ipv4/ip_forward

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir "/sys/fs/cgroup/$2"
    sed 's/[^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers > "/sys/fs/cgroup/$2/cgroup.subtree_control"
else
    for hierarchy in /sys/fs/cgroup/*/; do
        [ -e "$hierarchy/cgroup.procs" ] && [ ! -e "$hierarchy/cgroup.controllers" ] || continue
        mkdir -p "$hierarchy/$2"
        # A group of CPUs is unusable until it has some.
        for file in cpuset.cpus cpuset.mems; do
            [ ! -e "$hierarchy/$file" ] || cat "$hierarchy/$file" > "$hierarchy/$2/$file"
        done
    done
fi

touch "$3"
# The shell collects the processes that others leave behind.
sleep infinity &
wait
