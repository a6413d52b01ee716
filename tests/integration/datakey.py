"""The data keys that storaged hands out."""

import array
import json
import socket


def data_key(run, volume):
    """As the API daemon gets it for the hypervisor, which only root and that daemon's user may: a descriptor of a sealed
    memfd over the socket in storaged's directory of /run; and where there is none, what storaged says instead."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(run / "storaged-fd.sock"))
        connection.sendall(json.dumps({"op": "key", "volume": volume}).encode() + b"\n")
        line, control, *_ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    if not control:
        return None, json.loads(line)["outcome"]
    return array.array("i", control[0][2])[0], None
