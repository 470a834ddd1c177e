"""`takt audit`: read the audit log, check that nobody has changed it, and export it signed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt.commands.columns import plain
from takt.commands.errors import plain_file_errors
from takt.commands.groups import refuse_lost_options
from takt.commands.record import OpenRecord, reads_record
from takt.commands.who import who_asks

if TYPE_CHECKING:  # a command is listed without what it works with
    from takt.recording.audit.entry import Entry, Head
    from takt.recording.audit.verify import ChainCheck

_FILE = click.Path(dir_okay=False, path_type=Path)

_MOST_CHARACTERS = 100
"""Of an old or new value in the list, such as all settings of a server; an export has all of it."""


def _head(text: str) -> Head:
    from takt.recording.audit.entry import Head

    try:
        return Head.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group(invoke_without_command=True)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="Most entries, the newest ones.",
)
@reads_record
@click.pass_context
@plain_file_errors
def audit(ctx: click.Context, limit: int, open_record: OpenRecord) -> None:
    """List what was changed, by whom and why, the newest change last; long values are cut.

    docs/audit.md tells what is in the audit log, and what it can and cannot show.
    """
    if ctx.invoked_subcommand is not None:
        refuse_lost_options(ctx)
        return
    from takt.recording.audit.chain import newest_of

    found = newest_of(open_record().database, limit)
    if not found:
        click.echo("the audit log has no entries", err=True)
    for entry in reversed(found):
        click.echo(_line(entry))


@audit.command()
@click.argument("file", type=_FILE, required=False)
@click.option(
    "--head",
    "heads",
    multiple=True,
    type=_head,
    metavar="SEQ:HASH",
    help="From a line of the server's log (audit_seq and audit_hash): the audit log must have "
    "this entry. Can be given again.",
)
@click.option(
    "--public",
    type=click.Path(path_type=Path),
    help="Public keys, a PEM file or a folder of them, of which one must have signed FILE.",
)
@reads_record
@plain_file_errors
def verify(
    file: Path | None, heads: tuple[Head, ...], public: Path | None, open_record: OpenRecord
) -> None:
    """Check the audit log of the record, or the signed FILE of `takt audit export`.

    It ends with 1 and the entries' numbers where one was changed, removed, moved or put in. That
    the newest ones were cut off, or all was written anew, shows by the head that servers keep in
    the data folder, and by a --head.
    """
    if file is None:
        from takt.recording.audit.kept_head import KeptHead
        from takt.recording.audit.verify import check_kept

        if public is not None:
            raise click.UsageError("--public is for a FILE; the record itself is not signed")
        database = open_record().database
        kept = KeptHead(database)
        if kept.read() is None:
            click.echo(f"no head is kept in {kept.file}: a cut end shows by a --head", err=True)
        report(check_kept(database, heads))
        return
    if public is None:
        raise click.UsageError("name the key that has signed FILE with --public")
    from takt.core.bundles.signing.keys import read_public_keys
    from takt.recording.audit.export import check_export

    check, seal = check_export(file, read_public_keys(public), heads)
    report(check)
    click.echo(f"signed by the key {seal.key_id} at {seal.seal.exported_at}")


@audit.command()
@click.argument("file", type=_FILE)
@click.option(
    "--key",
    type=_FILE,
    required=True,
    help="The private key: Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` makes it.",
)
@reads_record
@plain_file_errors
def export(file: Path, key: Path, open_record: OpenRecord) -> None:
    """Write the whole audit log to FILE, signed, once it is checked.

    A line of FILE is an entry in JSON; the last line has the signature, over the number of entries
    and the hashes of the first and the last one.
    """
    from takt.core.bundles.signing.keys import is_encrypted, read_private_key
    from takt.recording.audit.chain import entries_of
    from takt.recording.audit.export import write_export
    from takt.recording.audit.kept_head import KeptHead

    passphrase = None
    if is_encrypted(key):
        passphrase = click.prompt(f"passphrase of {key}", hide_input=True, err=True).encode()
    private = read_private_key(key, passphrase)
    database = open_record().database
    kept = KeptHead(database).read()
    check = write_export(entries_of(database), file, private, [kept] if kept else [])
    report(check)
    click.echo(f"{file} is signed")


@audit.command()
@click.option("--reason", required=True, help="Why it is as it is, such as a restored backup.")
@click.option("--by", help="Who says so.", show_default="the name of this login")
@reads_record
@plain_file_errors
def accept(reason: str, by: str | None, open_record: OpenRecord) -> None:
    """Take the audit log's end as it is, though a head was kept that it does not have.

    That head, the present one and the reason become an entry. Entries that were changed within the
    chain stay found.
    """
    from takt.recording.audit.accepting import accept_end

    before, entry = accept_end(open_record().database, who_asks(by), reason)
    click.echo(f"the head that was kept is {before or 'unknown'}; it is {entry.head} now")


def report(check: ChainCheck) -> None:
    """Say what was found.

    Raises:
        ClickException: something is wrong.
    """
    for finding in check.findings:
        click.echo(str(finding))
    if check.findings:
        raise click.ClickException("the audit log is not as it was written")
    end = f"; its head is {check.head}" if check.count else ""
    click.echo(f"{check.count} entries are whole{end}")


def _line(entry: Entry) -> str:
    """An entry on a line: when, who, what, of which model, old, new and why."""
    at = datetime.fromtimestamp(entry.at_us / 1e6).astimezone()
    old, new = (_shortened(value or "") for value in (entry.old, entry.new))
    parts = [
        f"{entry.seq:>6}  {at:%Y-%m-%d %H:%M:%S}  {entry.who:16}  {entry.action:18}",
        " ".join(part for part in (entry.model, entry.version) if part),
        f"{old} -> {new}" if old else new,
        f"({entry.reason})" if entry.reason else "",
        f"from {entry.client}" if entry.client else "",
    ]
    return plain("  ".join(part for part in parts if part))


def _shortened(value: str) -> str:
    return value if len(value) <= _MOST_CHARACTERS else f"{value[: _MOST_CHARACTERS - 1]}…"
