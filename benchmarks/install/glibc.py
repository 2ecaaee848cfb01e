"""Make a shared library load on a glibc that is older than the library requires.

A library lists the symbol versions that it needs (``SHT_GNU_verneed``). A version that is marked weak may be
missing; the functions of that version must then come from elsewhere. See the ELF section of the
`Linux Standard Base <https://refspecs.linuxfoundation.org/lsb.shtml>`_, "Symbol Versioning".
"""

from __future__ import annotations

import struct
from pathlib import Path

SECTION_TABLE = struct.Struct("<Q")
SECTION_COUNT = struct.Struct("<HH")
SECTION = struct.Struct("<IIQQQQIIQQ")
NEEDED_FILE = struct.Struct("<HHIII")
NEEDED_VERSION = struct.Struct("<IHHII")
FLAGS_OFFSET = 4
GNU_VERNEED = 0x6FFFFFFE
WEAK = 2


def weaken_version(library: Path, version: str) -> int:
    """Mark every need of ``version`` in a 64-bit ELF file as weak; return how many there are.

    A second call changes nothing and returns the same number.
    """
    content = bytearray(library.read_bytes())
    (table,) = SECTION_TABLE.unpack_from(content, 40)
    size, count = SECTION_COUNT.unpack_from(content, 58)
    sections = [SECTION.unpack_from(content, table + index * size) for index in range(count)]
    weakened = 0
    for section in sections:
        if section[1] == GNU_VERNEED:
            strings = sections[section[6]][4]
            weakened += _weaken_section(content, section[4], strings, version.encode())
    library.write_bytes(content)
    return weakened


def _weaken_section(content: bytearray, start: int, strings: int, version: bytes) -> int:
    weakened = 0
    file_at = start
    while True:
        _, versions, _, first, next_file = NEEDED_FILE.unpack_from(content, file_at)
        version_at = file_at + first
        for _ in range(versions):
            _, flags, _, name, next_version = NEEDED_VERSION.unpack_from(content, version_at)
            end = content.index(0, strings + name)
            if bytes(content[strings + name : end]) == version:
                struct.pack_into("<H", content, version_at + FLAGS_OFFSET, flags | WEAK)
                weakened += 1
            version_at += next_version
        if not next_file:
            return weakened
        file_at += next_file
