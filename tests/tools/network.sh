# A network without privilege: client - router1 - router2 - router3 - server, IPv4 and IPv6. Run by
# `unshare -Urnmpf --map-root-user --kill-child sh -c`, it says `ready` and lasts until its standard input ends.
set -eu
mount -t tmpfs tmpfs /run
mkdir /run/netns
for n in client r1 r2 r3 server; do
    ip netns add $n
    ip netns exec $n sh -c '
        echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
        echo 0 >/proc/sys/net/ipv4/icmp_ratemask
        echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
        echo 1 >/proc/sys/net/ipv4/ip_forward
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
        ip link set lo up'
done
# Nobody but itself, and one port to give.
ip netns add alone
ip netns exec alone sh -c '
    ip link set lo up
    echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range'
# Link N joins the N-th of them with the next: 10.0.N.1 with 10.0.N.2, fd00:N::1 with fd00:N::2.
link() { # link N LEFT RIGHT
    ip -n $2 link add right type veth peer name left netns $3
    ip -n $2 address add 10.0.$1.1/24 dev right
    ip -n $3 address add 10.0.$1.2/24 dev left
    ip -n $2 address add fd00:$1::1/64 dev right nodad
    ip -n $3 address add fd00:$1::2/64 dev left nodad
    ip -n $2 link set right up
    ip -n $3 link set left up
}
link 1 client r1
link 2 r1 r2
link 3 r2 r3
link 4 r3 server
ip -n client route add default via 10.0.1.2
ip -n client route add default via fd00:1::2
ip -n server route add default via 10.0.4.1
ip -n server route add default via fd00:4::1
for n in 3 4; do
    ip -n r1 route add 10.0.$n.0/24 via 10.0.2.2
    ip -n r1 route add fd00:$n::/64 via fd00:2::2
done
ip -n r2 route add 10.0.4.0/24 via 10.0.3.2
ip -n r2 route add fd00:4::/64 via fd00:3::2
ip -n r2 route add 10.0.1.0/24 via 10.0.2.1
ip -n r2 route add fd00:1::/64 via fd00:2::1
for n in 1 2; do
    ip -n r3 route add 10.0.$n.0/24 via 10.0.3.1
    ip -n r3 route add fd00:$n::/64 via fd00:3::1
done
# What is not routed, each at a router of its own: IPv4 counts these errors (5, then one a second).
ip -n r1 route add 10.8.0.0/16 via 10.0.2.2
ip -n r1 route add fd08::/16 via fd00:2::2
ip -n r2 route add unreachable 10.8.2.0/24
ip -n r2 route add unreachable fd08:2::/32
ip -n r2 route add blackhole 10.8.4.0/24
ip -n r2 route add blackhole fd08:4::/32
ip -n r2 route add 10.8.3.0/24 via 10.0.3.2
ip -n r2 route add fd08:3::/32 via fd00:3::2
ip -n r3 route add prohibit 10.8.3.0/24
ip -n r3 route add prohibit fd08:3::/32
ip netns exec server nft '
table inet filter {
    chain input {
        type filter hook input priority 0;
        meta l4proto { tcp, udp } th dport 1001 drop
        meta l4proto { tcp, udp } th dport 1002 reject
        tcp dport 1003 reject with tcp reset
        meta l4proto { tcp, udp } th dport 1004 reject with icmpx admin-prohibited
        meta l4proto { tcp, udp } th dport 1005 reject with icmpx host-unreachable
        meta l4proto { tcp, udp } th dport 1006 reject with icmpx no-route
        meta nfproto ipv4 meta l4proto { tcp, udp } th dport 1007 reject with icmp prot-unreachable
        udp dport 1008 numgen inc mod 2 0 drop
        tcp dport 1009 numgen inc mod 2 0 drop
    }
}'
ip netns exec r2 nft '
table inet filter {
    chain forward {
        type filter hook forward priority 0;
        meta l4proto { tcp, udp } th dport 3001 reject
        meta l4proto { tcp, udp } th dport 3002 reject with icmpx admin-prohibited
        meta l4proto { tcp, udp } th dport 3003 drop
    }
}'
ip netns exec client nft '
table inet filter {
    chain output {
        type filter hook output priority 0;
        meta l4proto { tcp, udp } th dport 2001 drop
        meta l4proto { tcp, udp } th dport 2002 reject
    }
}'
mkfifo /run/ready
serve() {
    ip netns exec server "$SOCKLAB" serve $1 --bind $2 --port 9000 >/run/ready &
    read -r line </run/ready
}
serve iterative ::
serve udp_iterative ::
printf '%s\n' '127.0.0.1 localhost' '::1 localhost' '10.0.1.2 router1' 'fd00:1::2 router1' \
    '10.0.2.2 router2' 'fd00:2::2 router2' '10.0.3.2 router3' 'fd00:3::2 router3' \
    '10.0.4.2 server' 'fd00:4::2 server' >/run/hosts
mount --bind /run/hosts /etc/hosts
# The neighbours get to know each other.
for family in 4 6; do
    ip netns exec client "$SOCKLAB" knock server 9000 -w 60 -$family >/dev/null
done
echo ready
cat >/dev/null
