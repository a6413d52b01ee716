"""A network outside, by the operator's uplink: guests in the host's name, by proxy ARP, and routed."""
import contextlib
import os
import socket

import netlab
from netlab import PATIENCE, SOON, Vpc, all_, connects, ping, talks

OUTSIDE = "198.51.100.2"


@contextlib.contextmanager
def cloud(*flags):
    """netd with an uplink to a network 198.51.100.0/24, of which a namespace is the other end."""
    own = netlab.World()
    outside = -1
    try:
        outside = netlab.attach_lan(own)
        own.start("--uplink=lan0", *flags)
        yield own, outside
    finally:
        own.close()
        if outside >= 0:
            os.close(outside)


def guests(world, public_ip):
    """One with that public address, and one without."""
    vpc = Vpc(world)
    group = vpc.group([all_()])
    enis = [vpc.eni(10, group, public_ip=public_ip), vpc.eni(11, group)]
    vpc.put()
    return vpc, [vpc.guest(e) for e in enis]


def seen_outside(outside, guest):
    """The source of a connection from the guest, and whether it talks."""
    with netlab.inside(outside):
        server = socket.create_server((OUTSIDE, 80))
    server.settimeout(PATIENCE)
    with server:
        client = guest.connect(OUTSIDE, 80)
        peer, (source, _) = server.accept()
        with peer:
            return source, talks(client, peer)


def test_a_pool_of_nobodys_goes_out_masqueraded():
    with cloud() as (world, outside):
        _, (a, b) = guests(world, "203.0.113.9")
        assert seen_outside(outside, a) == ("198.51.100.1", True)
        assert not b.connect(OUTSIDE, 80, SOON), "without a public address nobody leaves"
        assert not world.findings(), "nothing to complain of"


def test_a_pool_in_the_network_is_answered_for():
    with cloud("--public-pool=198.51.100.128/25") as (world, outside):
        vpc, (a, b) = guests(world, "198.51.100.140")
        a.listen(22)
        assert ping(outside, "198.51.100.140") and connects(outside, "198.51.100.140", 22)
        assert seen_outside(outside, a) == ("198.51.100.140", True), "by its own address"
        assert not b.connect(OUTSIDE, 80, SOON), "without a public address nobody leaves"
        assert not ping(outside, "198.51.100.141", SOON), "an address that nobody has"
        assert world.sh("ip", "neigh", "show", "proxy").split()[0] == "198.51.100.140"
        assert not world.findings()
        del a.eni["public_ip"]
        b.eni["public_ip"] = "198.51.100.140"
        vpc.put()
        b.listen(23)
        assert connects(outside, "198.51.100.140", 23), "it has moved"
        vpc.delete()
        assert not ping(outside, "198.51.100.140", SOON) and world.sh("ip", "neigh", "show", "proxy") == ""


def test_a_pool_that_is_routed_here():
    with cloud("--pool-routed=yes") as (world, outside):
        _, (a, _) = guests(world, "203.0.113.9")
        a.listen(22)
        assert connects(outside, "203.0.113.9", 22)
        assert seen_outside(outside, a) == ("203.0.113.9", True)
        assert world.sh("ip", "neigh", "show", "proxy") == ""
