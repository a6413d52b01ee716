"""Reads qcow2 chains without QEMU, to see what is in them by another program's eyes; encrypted ones with their passphrase."""

import os
import struct

import luks1

CLUSTER = 64 << 10
SECTOR = 512
LUKS_POINTER = 0x0537be77
OFFSET = 0x00fffffffffffe00
ZERO = bytes(CLUSTER)


class Layer:
    """One file: uncompressed, 64 KiB clusters, as storaged's are; secret: the passphrase of an encrypted one."""

    volume_keys = {}  # by path: they never change

    def __init__(self, path, secret=None):
        self.path = path
        self.file = os.open(path, os.O_RDONLY)
        header = os.pread(self.file, 4096, 0)
        magic, version, at, length, bits, self.size, crypt = struct.unpack_from(">IIQIIQI", header)
        assert (magic, version, bits, crypt) == (0x514649fb, 3, 16, 2 if secret else 0), (path, crypt)
        self.l1_size, self.l1 = struct.unpack_from(">IQ", header, 36)
        self.key = secret and self.volume_key(header, secret)
        name = header[at:at + length].decode() if at else None
        self.backing = name and os.path.join(os.path.dirname(path), name)

    def volume_key(self, header, secret):
        if self.path not in self.volume_keys:
            at, = struct.unpack_from(">I", header, 100)
            while (kind := struct.unpack_from(">II", header, at))[0] != LUKS_POINTER:
                assert kind[0], f"{self.path} has no LUKS header"
                at += 8 + (kind[1] + 7 & ~7)
            self.volume_keys[self.path] = luks1.volume_key(self.file, struct.unpack_from(">Q", header, at + 8)[0], secret)
        return self.volume_keys[self.path]

    def close(self):
        os.close(self.file)

    def cluster(self, n, sectors=range(CLUSTER // SECTOR)):
        """These sectors of its 64 KiB, or None where it has none of its own."""
        if n * CLUSTER >= self.size:
            return ZERO[:len(sectors) * SECTOR]  # beyond its end there is nothing, whatever lies under it
        entry = struct.unpack(">Q", os.pread(self.file, 8, self.l1 + n // 8192 * 8))[0] & OFFSET
        if not entry:
            return None
        entry = struct.unpack(">Q", os.pread(self.file, 8, entry + n % 8192 * 8))[0]
        assert not entry >> 62 & 1, "compressed"
        if entry & 1:
            return ZERO[:len(sectors) * SECTOR]
        if not entry & OFFSET:
            return None
        return b"".join(self.sector((entry & OFFSET) // SECTOR + sector) for sector in sectors) if self.key or len(sectors) < CLUSTER // SECTOR \
            else os.pread(self.file, CLUSTER, entry & OFFSET).ljust(CLUSTER, b"\0")

    def sector(self, number):
        data = os.pread(self.file, SECTOR, number * SECTOR).ljust(SECTOR, b"\0")
        return luks1.decrypt(self.key, number, data) if self.key else data


class Chain:
    def __init__(self, path, secret=None):
        self.layers = []
        while path:
            self.layers.append(Layer(path, secret))
            path = self.layers[-1].backing

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for layer in self.layers:
            layer.close()

    def read(self, n, *sectors):
        """A cluster, or some sectors of it."""
        for layer in self.layers:
            data = layer.cluster(n, *sectors)
            if data is not None:
                return data
        return ZERO if not sectors else ZERO[:len(sectors[0]) * SECTOR]
