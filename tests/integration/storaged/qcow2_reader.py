"""Reads qcow2 chains without QEMU, to see what is in them by another program's eyes."""

import os
import struct

CLUSTER = 64 << 10
OFFSET = 0x00fffffffffffe00
ZERO = bytes(CLUSTER)


class Layer:
    """One file: uncompressed, unencrypted, 64 KiB clusters, as storaged's are."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDONLY)
        header = os.pread(self.file, 4096, 0)
        magic, version, at, length, bits, self.size, crypt = struct.unpack_from(">IIQIIQI", header)
        assert (magic, version, bits, crypt) == (0x514649fb, 3, 16, 0), path
        self.l1_size, self.l1 = struct.unpack_from(">IQ", header, 36)
        name = header[at:at + length].decode() if at else None
        self.backing = name and os.path.join(os.path.dirname(path), name)

    def close(self):
        os.close(self.file)

    def cluster(self, n):
        """Its 64 KiB, or None where it has none of its own."""
        if n * CLUSTER >= self.size:
            return ZERO  # beyond its end there is nothing, whatever lies under it
        entry = struct.unpack(">Q", os.pread(self.file, 8, self.l1 + n // 8192 * 8))[0] & OFFSET
        if not entry:
            return None
        entry = struct.unpack(">Q", os.pread(self.file, 8, entry + n % 8192 * 8))[0]
        assert not entry >> 62 & 1, "compressed"
        if entry & 1:
            return ZERO
        if not entry & OFFSET:
            return None
        return os.pread(self.file, CLUSTER, entry & OFFSET).ljust(CLUSTER, b"\0")


class Chain:
    def __init__(self, path):
        self.layers = []
        while path:
            self.layers.append(Layer(path))
            path = self.layers[-1].backing

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for layer in self.layers:
            layer.close()

    def read(self, n):
        for layer in self.layers:
            data = layer.cluster(n)
            if data is not None:
                return data
        return ZERO
