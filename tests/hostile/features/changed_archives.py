"""What somebody who means harm makes of a backup, drawn from a seed."""

from __future__ import annotations

import copy
import gzip
import json
import random
import sqlite3
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.archives import Member, header, members_in, raw_tar, write_archive

Draw = random.Random
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
NUMBERS = (0, -1, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400)
TEXTS = ("", "x", "\x1b[2J", "a" * 70_000, "\udcff", "\0", "../../x", "{", "[" * 60_000, "é" * 300)


@dataclass(frozen=True, slots=True)
class Original:
    """A true backup, and the key by which it is known."""

    file: Path
    members: list[Member]
    tar: bytes
    packed: bytes
    trusted: Path

    @classmethod
    def of(cls, file: Path, trusted: Path) -> Original:
        return cls(file, members_in(file), raw_tar(file), file.read_bytes(), trusted)

    def fresh(self) -> list[Member]:
        """Its members, to be changed."""
        return [(copy.copy(info), data) for info, data in self.members]

    def signature(self) -> Member:
        with tarfile.open(self.file) as tar:
            info = tar.getmember("signature.json")
            taken = tar.extractfile(info)
            assert taken is not None
            return info, taken.read()


@dataclass(slots=True)
class Changed:
    """A changed backup.

    Attributes:
        file: it.
        what: was done to it.
        options: of `takt restore`, beside those of files.
        must_fail: whether to restore it would be wrong.
        differs: whether a name or a content is another one.
    """

    file: Path
    what: str
    options: list[str] = field(default_factory=list)
    must_fail: bool = False
    differs: bool = False


def changed(original: Original, seed: int, number: int, folder: Path) -> Changed:
    """The backup of that number."""
    draw = random.Random(f"{seed} {number}")
    file = folder / "changed.takt"
    how = draw.choice(CHANGES)
    made = Changed(file, how.__name__.strip("_"))
    how(original, draw, made)
    if draw.random() < 0.5:
        made.options += ["--data-folder", "data", "--repository", "models"]
    if draw.random() < 0.2:
        made.options += ["--trusted-keys", str(original.trusted)]
        made.must_fail |= made.differs
    return made


def _names(original: Original, draw: Draw, made: Changed) -> None:
    around = made.file.parent
    odd = (
        f"{around}/outside", "/etc/takt-was-here", "../outside", "models/../../outside", "..",
        "models/..", "models/./x", "models//x", "models/x/", "models", "data", "data/", "",
        "models/.hidden", "models/" + "a/" * draw.choice((10, 40, 2000)) + "x", "C:\\x",
        "models/" + "a" * draw.choice((255, 256, 1000, 5000)), "models/a\x1b[2J", "models/a\nb",
        "data/record.sqlite-wal", "data/audit-head.json/x", "data/pictures/2026/03/01/x.bmp",
        "data/pictures/../../outside", "keys.toml/x", "backup.json", "SHA256SUMS", "signature.json",
        "models/parts", "models/parts/1/model.onnx/x", "models/\u202e", "models/a\udcff", "~/x",
        "data/pictures/9999/99/99/" + "0" * 64 + ".bmp", "data/pictures/2026/03/01/" + "a" * 64,
    )  # fmt: skip
    members = original.fresh()
    if draw.random() < 0.5:
        members.append((tarfile.TarInfo(draw.choice(odd)), b"added"))
    else:
        draw.choice(members)[0].name = draw.choice(odd)
    draw.random() < 0.3 and draw.shuffle(members)
    _write(original, draw, made, members)


def _kinds(original: Original, draw: Draw, made: Changed) -> None:
    members = original.fresh()
    info = tarfile.TarInfo(
        draw.choice(("models/parts/1/link", "data", "models/parts", "keys.toml"))
    )
    info.type = draw.choice((*(bytes([b]) for b in b"1234567SKLxgXVDMN"), b"\xff"))
    info.linkname = draw.choice(("/etc/passwd", "../../../outside", str(made.file.parent)))
    info.devmajor, info.devminor = 1, draw.choice((3, 5))
    members.insert(draw.randrange(len(members) + 1), (info, b""))
    if draw.random() < 0.5:  # and something behind the link
        members.append((tarfile.TarInfo(f"{info.name}/within"), b"within"))
    _write(original, draw, made, members)


def _heads(original: Original, draw: Draw, made: Changed) -> None:
    """Extended and long heads of any size, before the rest or within it."""
    kind = draw.choice((b"x", b"g", b"L", b"K", b"X", b"S", b"0"))
    told = draw.choice((0, 1, 12, 511, 8192, 8193, 1 << 20, 1 << 28, 8**11 - 1))
    given = draw.choice((0, 1, 12, 512, 8192, 1 << 20, 48 << 20))
    what = draw.choice((
        b"12 path=abc\n", b"0 path=a\n", b"-5 path=a\n", b"99999999999999999999 path=a\n",
        b"20 GNU.sparse.map=0,1\n", b"31 size=99999999999999999999999\n", b"19 size=-1000000\n\n",
        b"20 mtime=nan\n", b"path", b" ", b"12 path=\xff\xff\xff\n", b"20 hdrcharset=BINARY\n",
    ))  # fmt: skip
    body = (what * (given // len(what) + 1))[:given]
    block = header(b"././@PaxHeader", told, kind) + body + bytes(-given % 512)
    at = 512 * draw.randrange(min(40, len(original.tar) // 512))
    times = draw.choice((1, 1, 2, 3000)) if given <= 8192 else 1
    with gzip.open(made.file, "wb", 1) as packed:
        packed.write(original.tar[:at] + block * times + original.tar[at:])


def _facts(original: Original, draw: Draw, made: Changed) -> None:
    """Times and modes, which no digest is over; so such a backup may be restored."""
    members = original.fresh()
    for info, _ in members:
        if draw.random() < 0.5:
            info.mode = draw.choice((0, 0o777, 0o7777, 0o4755))
            value = draw.choice((*NUMBERS[:-1], "nan", "inf", "-inf", "1e999", "", "x", 0.5, 1e18))
            info.pax_headers = {"mtime": str(value)}
    _write(original, draw, made, members)


def _twice(original: Original, draw: Draw, made: Changed) -> None:
    members = original.fresh()
    info, data = draw.choice(members)
    again = (copy.copy(info), draw.choice((data, b"another", b"version = 1\n", b"port = 1\n")))
    members.insert(draw.randrange(1, len(members) + 1), again)
    _write(original, draw, made, members)
    made.must_fail = True


def _cut(original: Original, draw: Draw, made: Changed) -> None:
    made.file.write_bytes(original.packed[: draw.randrange(len(original.packed))])
    made.must_fail = True


def _packed_bytes(original: Original, draw: Draw, made: Changed) -> None:
    data = bytearray(original.packed)
    for _ in range(draw.choice((1, 3, 30))):
        data[draw.randrange(len(data))] = draw.randrange(256)
    made.file.write_bytes(data + draw.choice((b"", b"more", bytes(99), original.packed)))


def _tar_bytes(original: Original, draw: Draw, made: Changed) -> None:
    data = bytearray(original.tar)
    for _ in range(draw.choice((1, 3, 30))):
        at = 512 * draw.randrange(len(data) // 512) + draw.randrange(160)
        data[at] = draw.choice((0, 0x2F, 0x2E, 0x80, 0xFF, draw.randrange(256)))
    if draw.random() < 0.2:
        data += draw.choice((b"more", bytes(1 << 20), original.tar))
    made.file.write_bytes(gzip.compress(bytes(data), 1))


def _content_bytes(original: Original, draw: Draw, made: Changed) -> None:
    members = original.fresh()
    at = draw.randrange(len(members))
    info, data = members[at]
    spoilt = bytearray(data or b"x")
    for _ in range(draw.choice((1, 5, 100))):
        spoilt[draw.randrange(len(spoilt))] = draw.randrange(256)
    cut = draw.randrange(len(spoilt)) if draw.random() < 0.3 else len(spoilt)
    members[at] = info, bytes(spoilt[:cut])
    _write(original, draw, made, members)


def _about(original: Original, draw: Draw, made: Changed) -> None:
    about: dict[str, object] = {"format_version": 1, "takt": "1", "made_at": "x", "record": "none"}
    about[draw.choice([*about])] = draw.choice((*NUMBERS[:-1], *TEXTS, None, [], {}, 0.5, "sqlite"))
    data = json.dumps(about).encode()
    data = draw.choice((data, data, b"[" * 60_000, b'{"a":' * 12_000, b"null", b"9" * 5000, b""))
    _with(original, draw, made, "backup.json", data)


def _keys(original: Original, draw: Draw, made: Changed) -> None:
    digest = f"sha256:{draw.randbytes(32).hex()}"
    key = f'digest = "{digest}"\nscopes = ["inspect"]\n'
    _with(original, draw, made, "keys.toml", draw.choice((
        b"ssh-ed25519 AAAA me@evil\n", b"version = 1\nkeys = 7\n", b"version = 1\n" + b"a." * 9999,
        f"version = 1\n[keys.{'k' * draw.choice((1, 64, 65))}]\n{key}".encode(),
        f"version = 1\n[keys.a]\n{key}[keys.b]\n{key}".encode(), b"a = " + b"[" * 60_000,
        b"version = " + b"9" * 5000, b"\xff\xfe", b"", b"version = 1\n" + b"# \n" * 300_000,
        b"version = 1\n[keys.a]\n" + b"x = 1\n" * 2, b"[" * 4000, b"a={" * 4000, b"version = true",
        "".join(f"[keys.k{n}]\n" for n in range(20_000)).encode(),
        "\n".join(f"a{'.a' * 1000}{n} = 1" for n in range(100)).encode(),
    )))  # fmt: skip


def _settings(original: Original, draw: Draw, made: Changed) -> None:
    around = made.file.parent
    place = draw.choice((
        f"{around}/home/.ssh/authorized_keys", "/etc/takt", "../outside", "\\u0000", "x" * 9000,
        "s3://evil/models", "https://me:word@evil/", "\\u001b[2J", "data", "models", "keys.toml",
    ))  # fmt: skip
    name = draw.choice(("keys_file", "data_folder", "repository", "trusted_keys", "record", "keys"))
    _with(original, draw, made, "takt.toml", draw.choice((
        *(f'{name} = "{place}"\n'.encode() for _ in range(6)), b"a = " + b"[" * 60_000,
        b"port = " + b"9" * 5000, b"prot = 1", b"\xff", b"a." * 30_000, b"port = 1e400",
        b"port = {" + b"a={" * 3000, b"port = nan", b"x" * 100_000, b"a.b.c.d = 1",
        b"engine." + b"a." * 9000 + b"b = 1", b"port = 1979-05-27",
    )))  # fmt: skip
    if name in ("keys_file", "data_folder", "repository"):
        made.what += f" {name}={place[:40]}"


def _head(original: Original, draw: Draw, made: Changed) -> None:
    told = {"seq": draw.choice((*NUMBERS[:-1], "1", None, 1.5)), "hash": "0" * 64}
    text = json.dumps(told).encode()
    data = draw.choice((text, text, text, b"[" * 900, b" " * 5000, b"\xff", b"", b"9" * 1000))
    _with(original, draw, made, "data/audit-head.json", data)
    made.must_fail = True


def _database(original: Original, draw: Draw, made: Changed) -> None:
    """One by somebody who knows SQLite."""
    table = draw.choice(("audit", "inspections", "sources", "alembic_version", "recipes", "parts"))
    statements = draw.choice((
        (f"CREATE TRIGGER t AFTER UPDATE ON {table} BEGIN {ENDLESS}; END",),
        (f"CREATE TRIGGER t AFTER INSERT ON {table} BEGIN {ENDLESS}; END",),
        (f"ALTER TABLE {table} RENAME TO old", f"CREATE VIEW {table} AS {ENDLESS}"),
        (f"CREATE VIEW mine AS {ENDLESS}",),
        (f"DROP TABLE {table}",),
        (f"DROP TABLE {table}", f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)"),
        (f"DROP TABLE {table}", f"CREATE VIRTUAL TABLE {table} USING fts5(id)"),
        (f"CREATE INDEX mine ON {table} (hex(zeroblob(1000)))",),
        (f"ALTER TABLE {table} ADD COLUMN x TEXT AS (hex(zeroblob(100000000)))",),
        (f"ALTER TABLE {table} ADD COLUMN x TEXT CHECK (length(hex(zeroblob(9))) > 1)",),
        ("PRAGMA journal_mode = WAL", "CREATE TABLE mine (id)"),
        *((f"UPDATE alembic_version SET version_num = {one}",) for one in (
            "'0005'", "'9999'", "x'00'", "NULL", "'; DROP TABLE audit'", "5",
        )),
        ("DELETE FROM alembic_version",),
        *((f"UPDATE audit SET {draw.choice(('seq', 'at_us', 'who', 'hash', 'old'))} = {value} "
          f"WHERE seq = {draw.choice((1, 3))}",) for value in _values(draw)),
        *((f"UPDATE inspections SET {draw.choice(('id', 'at_us', 'sha256', 'input_format'))} = "
          f"{value} WHERE id = 1",) for value in _values(draw)),
        ("DELETE FROM audit WHERE seq = 3",), ("DELETE FROM audit",),
        ("INSERT INTO audit SELECT seq + 9, at_us, server, who, action, model, version, old, new, "
         "reason, client, previous, hash FROM audit",),
    ))  # fmt: skip
    file = made.file.with_suffix(".sqlite")
    file.write_bytes(_data(original, "data/record.sqlite"))
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
        for statement in statements:
            connection.execute(statement)
    except (sqlite3.Error, OverflowError):
        pass  # what it took until then
    finally:
        connection.close()
    data = file.read_bytes()
    file.unlink()
    made.what += f" {statements[0][:120]}"
    _with(original, draw, made, "data/record.sqlite", data)


def _values(draw: Draw) -> list[str]:
    return [
        "9223372036854775807", "-9223372036854775808", "0", "NULL", "x'ff'", "'noon'", "0.5",
        "9e999", "CAST(x'ff' AS TEXT)", "CAST(zeroblob(6000000) AS TEXT)", "zeroblob(6000000)",
        "char(27)", f"'{'[' * draw.choice((10, 60_000))}'", "253402300800000000", "char(0)",
    ]  # fmt: skip


def _with(original: Original, draw: Draw, made: Changed, name: str, data: bytes) -> None:
    members = [(info, data if info.name == name else old) for info, old in original.fresh()]
    _write(original, draw, made, members)


def _write(original: Original, draw: Draw, made: Changed, members: list[Member]) -> None:
    made.differs = [(info.name, data) for info, data in members] != [
        (info.name, data) for info, data in original.members
    ]
    write_archive(made.file, members, _after(original, draw))


def _after(original: Original, draw: Draw) -> list[Member]:
    """What follows the digests: most often the signature of what it was."""
    odd = (tarfile.TarInfo("signature.json"), draw.choice((b"{}", b"[" * 60_000, b"\xff", b"")))
    return draw.choice(([original.signature()], [original.signature()], [], [odd]))


def _data(original: Original, name: str) -> bytes:
    return next(data for info, data in original.members if info.name == name)


CHANGES: tuple[Callable[[Original, Draw, Changed], None], ...] = (
    _names, _kinds, _heads, _facts, _twice, _cut, _packed_bytes, _tar_bytes, _content_bytes, _about,
    _keys, _settings, _head, _database, _database,
)  # fmt: skip
