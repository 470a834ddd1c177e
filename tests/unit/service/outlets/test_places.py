"""Each process has a spool of its own, and takes over those that nobody has any more."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from takt.outlets.places import SpoolPlace


def put(place: SpoolPlace, *bodies: bytes) -> None:
    for body in bodies:
        place.spool.put("topic", body)
    place.spool.commit(late=False)


def bodies(place: SpoolPlace) -> list[bytes]:
    return [one.body for one in place.spool.after(0)]


def test_processes_at_the_same_time_have_spools_and_ids_of_their_own(tmp_path: Path) -> None:
    places = [SpoolPlace(tmp_path, 10) for _ in range(3)]
    assert [one.name for one in places] == ["0", "1", "2"]
    assert len({one.spool.id for one in places}) == 3
    for one in places:
        one.close()


def test_a_server_that_starts_anew_goes_on_with_the_spool_and_id_of_before(tmp_path: Path) -> None:
    with contextlib.closing(SpoolPlace(tmp_path, 10)) as before:
        put(before, b"{}")
    with contextlib.closing(SpoolPlace(tmp_path, 10)) as after:
        assert (after.name, after.spool.id, bodies(after)) == ("0", before.spool.id, [b"{}"])


def test_what_a_process_that_has_ended_left_is_taken_over_and_nothing_of_others(
    tmp_path: Path,
) -> None:
    own, other, ended = (SpoolPlace(tmp_path, 10) for _ in range(3))
    put(other, b'{"of":"other"}')
    put(ended, b'{"of":"ended"}')
    ended.close()
    assert own.take_over() == 1
    assert (bodies(own), bodies(other)) == ([b'{"of":"ended"}'], [b'{"of":"other"}'])
    assert own.take_over() == 0
    for one in (own, other):
        one.close()


def test_what_several_left_is_taken_over_as_there_is_room_and_none_of_it_gives_way(
    tmp_path: Path,
) -> None:
    own, *ended = (SpoolPlace(tmp_path, 10) for _ in range(4))
    for number, one in enumerate(ended):
        put(one, *(b'{"of":%d}' % (10 * number + part) for part in range(10)))
        one.close()

    taken = []
    while own.take_over():
        assert own.spool.waiting < 10, "what comes now finds room"
        taken += bodies(own)
        own.spool.done(own.spool.newest)

    assert taken == [b'{"of":%d}' % part for part in range(30)]
    own.close()


@pytest.mark.parametrize("damaged", ["1.sqlite", "1.lock"])
def test_a_spool_that_cannot_be_taken_over_is_told_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    own = SpoolPlace(tmp_path, 10)
    (tmp_path / "1.sqlite").touch()
    (tmp_path / damaged).unlink(missing_ok=True)
    (tmp_path / damaged).mkdir()
    assert own.take_over() == 0
    assert "cannot be taken over" in caplog.text
    own.close()
