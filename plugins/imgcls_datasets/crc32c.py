"""The checksum of TFRecord files: CRC-32C, Castagnoli, Brauer, Herrmann, 1993; RFC 3720, appendix B.4."""

_POLYNOMIAL = 0x82F63B78  # bits reversed
_MASK = 0xA282EAD8  # https://github.com/tensorflow/tensorflow, tsl/lib/hash/crc32c.h


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the checksum of some bytes, 32 bits."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """Return the checksum as TFRecord files hold it: rotated and shifted, so that it can itself be summed."""
    value = crc32c(data)
    return ((value >> 15 | value << 17) + _MASK) & 0xFFFFFFFF
