"""Metadata is there at the first packet of a guest's life, and never for the wrong guest."""

import concurrent.futures
import socket

import pytest

import netlab
from guests import ADDRESS
from lone_api import PATIENCE_S

BLOCK, SUBNET = "10.0.0.0/16", "10.0.0.0/24"
ADDRESSES = ("10.0.0.11", "10.0.0.12", "10.0.0.13")
IN_VAIN_S = 0.4


@pytest.fixture(scope="module")
def guests(house):
    """The same addresses in two VPCs."""
    networks = [house.network(BLOCK, SUBNET) for _ in range(2)]
    return house.instances(*((*network, address) for network in networks for address in ADDRESSES))


def first_frames(guest):
    """What it had sent when it got its first answer: its IP packets as (destination, port, flags), after its questions by ARP."""
    sent = []
    for out, frame in guest.frames():
        if frame[12:14] == b"\x08\x00" and not out:
            return sent
        if out:
            assert frame[12:14] in (b"\x08\x06", b"\x08\x00")
        if frame[12:14] == b"\x08\x00":
            sent.append((socket.inet_ntoa(frame[30:34]), int.from_bytes(frame[36:38], "big"), frame[47]))
    raise AssertionError("no answer")


def begin(guest):
    guest.plug()
    return guest.who()


def test_first_packet(guests):
    """All at the same time, two of each address: the first packet of each is a SYN to the service, it needs no second one,
    and the answer is its own."""
    assert all(not guest.frames() for guest in guests)
    with concurrent.futures.ThreadPoolExecutor(len(guests)) as pool:
        told = list(pool.map(begin, guests))
    assert told == [guest.instance for guest in guests] and len(set(told)) == 2 * len(ADDRESSES)
    syn = 2
    assert [first_frames(guest) for guest in guests] == [[(ADDRESS, 80, syn)]] * len(guests)


def test_another_ones_token(guests):
    """A token is good for whom it was made, be the address the same."""
    status, token = guests[0].ask("PUT", "/latest/api/token", X_aws_ec2_metadata_token_ttl_seconds=60)
    assert status == 200
    for other in guests[1:]:
        assert other.ask("GET", "/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token)[0] == 401


def test_false_source(house, guests):
    """Neither a neighbour's address nor his MAC with it gets an answer, and the neighbour hears nothing of it."""
    liar, victim = guests[:2]

    def lies():
        before = house.spoofed(liar.vpc)
        answer = liar.ask("PUT", "/latest/api/token", source=victim.ip, patience=IN_VAIN_S, X_aws_ec2_metadata_token_ttl_seconds=60)
        return answer is None and house.spoofed(liar.vpc) > before
    victim.frames()
    liar.ip_cmd("addr", "add", f"{victim.ip}/{liar.length}", "dev", "eth0")
    assert lies()
    liar.ip_cmd("link", "set", "eth0", "address", victim.mac)
    assert lies()
    liar.ip_cmd("link", "set", "eth0", "address", liar.mac)
    liar.ip_cmd("addr", "del", f"{victim.ip}/{liar.length}", "dev", "eth0")
    assert not [frame for _, frame in victim.frames() if socket.inet_aton(ADDRESS) in frame]
    assert (liar.who(), victim.who()) == (liar.instance, victim.instance)


def test_who_comes_after(house, guests):
    """An address that goes to another instance has that one's metadata, from its first packet on."""
    former, ec2 = guests[2], house.client("ec2")
    (shown,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[former.eni["id"]])["NetworkInterfaces"]
    ec2.detach_network_interface(AttachmentId=shown["Attachment"]["AttachmentId"], Force=True)
    # DetachNetworkInterface answers at once and the interface goes after it: cut off it is once it is "available".
    ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[former.eni["id"]], WaiterConfig={"Delay": 1, "MaxAttempts": PATIENCE_S})
    assert former.ask("GET", "/", patience=IN_VAIN_S) is None
    ec2.delete_network_interface(NetworkInterfaceId=former.eni["id"])
    (after,) = house.instances((former.vpc, shown["SubnetId"], former.ip))
    assert after.instance != former.instance and begin(after) == after.instance
    assert first_frames(after) == [(ADDRESS, 80, 2)]
    guests[2] = after


def test_after_a_kill(house, guests):
    """Of the API daemon: the sockets are opened anew, each guest's for itself."""
    house.kill()
    house.start()
    # What the guest's kernel was told meanwhile (no one listens) does not matter: a client asks again.
    for guest in guests:
        assert netlab.wait_for(lambda g=guest: g.ask("GET", "/") is not None, PATIENCE_S)
        assert guest.who() == guest.instance
