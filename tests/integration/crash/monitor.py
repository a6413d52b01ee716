"""QEMU's monitor, asked through libvirt as the hypervisor asks it, by libvirt's own library."""

import ctypes
import json

LIBVIRT, QEMU = ctypes.CDLL("libvirt.so.0"), ctypes.CDLL("libvirt-qemu.so.0")
LIBVIRT.virConnectOpen.restype = LIBVIRT.virDomainLookupByName.restype = ctypes.c_void_p
LIBVIRT.virConnectOpen.argtypes = [ctypes.c_char_p]
LIBVIRT.virDomainLookupByName.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
LIBVIRT.virConnectClose.argtypes = LIBVIRT.virDomainFree.argtypes = [ctypes.c_void_p]
LIBVIRT.virGetLastErrorMessage.restype = ctypes.c_char_p
QEMU.virDomainQemuMonitorCommand.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_uint]
LIBC = ctypes.CDLL(None)
LIBC.free.argtypes = [ctypes.c_void_p]
QUIET = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda _, __: None)
LIBVIRT.virSetErrorFunc(None, QUIET)


class Monitor:
    """Of one domain."""

    def __init__(self, socket, domain):
        self.uri, self.domain = f"qemu+unix:///system?socket={socket}".encode(), domain.encode()
        self.connection = None

    def ask(self, command, arguments):
        """The whole answer. OSError where libvirtd does not give any: the connection is made anew with the next question."""
        self.connection = self.connection or LIBVIRT.virConnectOpen(self.uri)
        domain = self.connection and LIBVIRT.virDomainLookupByName(self.connection, self.domain)
        answer = ctypes.c_void_p()
        text = json.dumps({"execute": command, "arguments": arguments}).encode()
        failed = not domain or QEMU.virDomainQemuMonitorCommand(domain, text, ctypes.byref(answer), 0) < 0
        why = failed and (LIBVIRT.virGetLastErrorMessage() or b"").decode()
        if domain:
            LIBVIRT.virDomainFree(domain)
        if failed:
            self.close()
            raise OSError(why)
        said = ctypes.string_at(answer.value)
        LIBC.free(answer)
        return json.loads(said)

    def close(self):
        if self.connection:
            LIBVIRT.virConnectClose(self.connection)
        self.connection = None
