import json

import pytest

from fake_server import unpack
from takt_client.errors import (
    InvalidImageError,
    InvalidParameterError,
    ModelNotFoundError,
    RequestError,
    UnreadableAnswerError,
)
from takt_client.session import FrameViewChoices, StreamSession, view_message
from takt_client.values import FrameAnswer, FrameDropped, FrameRefused, Heatmap, Vote
from test_parts import RESULT


def taken(session: StreamSession) -> list[object]:
    items = []
    while (item := session.next_item()) is not None:
        items.append(item)
    return items


@pytest.fixture
def session(wire) -> StreamSession:
    session = StreamSession({})
    session.welcome(wire.welcome(credits=2))
    return session


def test_hello_says_only_what_was_chosen() -> None:
    session = StreamSession({"policy": "latest", "vote": {"k": 3, "n": 5}})
    assert json.loads(session.hello()) == {
        "type": "hello",
        "policy": "latest",
        "vote": {"k": 3, "n": 5},
    }


def test_frames_are_numbered_and_each_takes_a_credit(session) -> None:
    frames = [unpack(session.frame(b"one", 7)), unpack(session.frame(b"two", 8))]
    assert [(frame.sequence, frame.captured_us) for frame in frames] == [(0, 7), (1, 8)]
    assert [frame.picture for frame in frames] == [b"one", b"two"]
    assert session.credits == 0


@pytest.mark.parametrize("made", ["answer", "refusal", "dropped"])
def test_answers_refusals_and_drops_each_give_a_credit_back(session, wire, made) -> None:
    session.frame(b"", 0)
    session.read(
        {
            "answer": wire.answer(0),
            "refusal": wire.refusal("invalid_image", 400, sequence=0),
            "dropped": '{"type": "dropped", "sequence": 0, "dropped": 1}',
        }[made]
    )
    assert session.credits == 2


def test_an_answer_carries_vote_and_smoothed_score(session, wire) -> None:
    session.frame(b"", 0)
    vote = {"anomalous": False, "count": 1, "of": 3, "undecided": 1}
    session.read(_with(wire.answer(0), vote, 0.41))
    (item,) = taken(session)
    assert isinstance(item, FrameAnswer)
    assert (item.sequence, item.age_ms, item.smoothed_score) == (0, 3.0, 0.41)
    assert item.vote == Vote(False, 1, 3, undecided=1)
    assert item.inspected.anomalous


def _with(message: str, vote: object, smoothed_score: float) -> str:
    body = json.loads(message) | {"vote": vote, "smoothed_score": smoothed_score}
    return json.dumps(body)


def test_an_answer_is_whole_only_with_its_heatmap(session, wire) -> None:
    session.frame(b"", 0)
    session.read(wire.answer(0, heatmap={"kind": "map", "format": "png", "bytes": 3}))
    assert taken(session) == []
    assert session.credits == 1
    session.read(b"png")
    (item,) = taken(session)
    assert item.inspected.heatmap == Heatmap("map", "png", b"png")
    assert session.credits == 2


def test_a_frame_that_is_refused_says_why(session, wire) -> None:
    session.frame(b"", 0)
    session.read(wire.refusal("invalid_image", 400, sequence=0))
    (item,) = taken(session)
    assert isinstance(item, FrameRefused)
    assert type(item.error) is InvalidImageError


def test_a_drop_does_not_overtake_the_frames_before_it(session, wire) -> None:
    session.frame(b"", 0)
    session.frame(b"", 0)
    session.read('{"type": "dropped", "sequence": 1, "dropped": 1}')
    session.read(wire.answer(0))
    assert [type(item) for item in taken(session)] == [FrameDropped, FrameAnswer]


def test_a_frame_that_the_server_went_past_is_told_to_be_lost(session, wire) -> None:
    session.frame(b"", 0)
    session.frame(b"", 0)
    session.read(wire.answer(1))
    lost, answered = taken(session)
    assert isinstance(lost, FrameRefused)
    assert lost.sequence == 0
    assert type(lost.error) is UnreadableAnswerError
    assert answered.sequence == 1


def test_a_goodbye_leaves_no_frame_without_a_word(session, wire) -> None:
    session.frame(b"", 0)
    session.bye()
    session.read(wire.goodbye(1))
    (lost,) = taken(session)
    assert (type(lost), lost.sequence) == (FrameRefused, 0)
    assert session.stats is not None
    assert session.stats.age_ms.p99 == 3.0
    assert session.stats.latency_ms.p99 is None


def test_after_a_lost_connection_only_what_the_server_misses_is_sent_again(session, wire) -> None:
    frames = [session.frame(b"zero", 0), session.frame(b"one", 0)]
    session.read(wire.answer(0))
    session.frame(b"two", 0)
    assert json.loads(session.hello()) == {
        "type": "hello",
        "session": "s1",
        "last_sequence": 0,
    }
    again = session.welcome(wire.welcome(next_sequence=2, resumed=True))
    assert [unpack(message).sequence for message in again] == [2]
    assert frames[1] not in again


def test_an_answer_that_is_sent_again_is_not_yielded_twice(session, wire) -> None:
    session.frame(b"", 0)
    session.read(wire.answer(0))
    session.hello()
    session.welcome(wire.welcome(next_sequence=1, resumed=True))
    session.read(wire.answer(0))
    assert [item.sequence for item in taken(session)] == [0]
    assert session.credits == 2


def test_half_an_answer_of_a_lost_connection_is_forgotten(session, wire) -> None:
    session.frame(b"", 0)
    session.read(wire.answer(0, heatmap={"kind": "map", "format": "png", "bytes": 3}))
    session.hello()
    session.welcome(wire.welcome(next_sequence=1, resumed=True))
    session.read(wire.answer(0))
    (item,) = taken(session)
    assert item.inspected.heatmap is None


def test_a_goodbye_that_was_lost_is_said_again(session, wire) -> None:
    session.frame(b"", 0)
    bye = session.bye()
    frame, again = session.welcome(wire.welcome(next_sequence=0))
    assert unpack(frame).sequence == 0
    assert again == bye


def test_a_finished_stream_takes_no_frames(session) -> None:
    session.bye()
    with pytest.raises(RequestError, match="finished"):
        session.frame(b"", 0)


def test_a_refusal_of_the_whole_session_is_raised(session, wire) -> None:
    with pytest.raises(ModelNotFoundError):
        session.read(wire.refusal("model_not_found", 404))


@pytest.mark.parametrize(
    "message",
    ["{}", "no JSON", "[]", '{"type": "news"}', b"no answer announced this", '{"type": "answer"}'],
)
def test_a_message_that_makes_no_sense_is_shown(session, message) -> None:
    with pytest.raises(UnreadableAnswerError):
        session.read(message)


def test_a_server_that_welcomes_nobody_is_unreadable() -> None:
    with pytest.raises(UnreadableAnswerError):
        StreamSession({}).welcome('{"type": "answer"}')


A17 = '{"type": "part", "part": "A-17"}'
NOTHING = '{"type": "part"}'


def test_what_a_frame_shows_is_said_before_it_where_that_changes(session) -> None:
    assert session.part(None) == []
    assert session.part({"part": "A-17"}) == [A17]
    assert session.part({"part": "A-17"}) == []
    assert session.part(None) == [NOTHING]


def test_what_the_next_frame_shows_is_said_although_the_one_before_was_no_frame(session) -> None:
    assert session.part({"part": "A-17"}) == [A17]
    with pytest.raises(InvalidParameterError):
        session.frame(b"", -1)

    # Neither the message nor the frame was sent.
    assert session.part({"part": "A-17"}) == [A17]


def test_a_frame_that_is_sent_again_shows_what_it_did(session, wire) -> None:
    sent = []
    for labels in (None, {"part": "A-17"}):
        session.part(labels)
        sent.append(session.frame(b"", 0))
    again = session.welcome(wire.welcome(resumed=True))
    assert again == [NOTHING, sent[0], A17, sent[1]]
    assert session.part({"part": "A-17"}) == []


VIEW: FrameViewChoices = {"part": "A-17", "view": "top", "recipe": "bracket"}


def test_a_frame_that_shows_a_view_is_sent_again_with_what_it_shows(session, wire) -> None:
    message = view_message(VIEW)
    assert json.loads(message) == {"type": "view", **VIEW}
    session.frame(b"one", 0, message)
    session.part({"part": "B"})
    session.frame(b"two", 0)
    again = session.welcome(wire.welcome(credits=2, next_sequence=0))
    kinds = [one if isinstance(one, bytes) else json.loads(one)["type"] for one in again]
    assert [unpack(one).picture if isinstance(one, bytes) else one for one in kinds] == [
        *("view", b"one"),
        *("part", b"two"),
    ]


def test_the_answer_to_a_view_has_the_part_and_with_the_last_one_its_result(session, wire) -> None:
    session.frame(b"", 0, view_message(VIEW))
    shown = {"part": "A-17", "number": 5, "recipe": "bracket", "revision": 3, "view": "top"}
    body = json.loads(wire.answer(0)) | {"view": {**shown, "result": RESULT}}
    session.read(json.dumps(body))
    (item,) = taken(session)
    assert isinstance(item, FrameAnswer)
    assert item.view is not None and item.view.result is not None
    assert (item.view.part, item.view.number, item.view.view) == ("A-17", 5, "top")
    assert item.view.result.verdict == "undecided"


def test_the_result_of_a_part_is_not_guessed(session, wire) -> None:
    session.frame(b"", 0, view_message(VIEW))
    shown = {"part": "A-17", "number": 5, "recipe": "bracket", "revision": 3, "view": "top"}
    other = {**shown, "result": {**RESULT, "verdict": "perhaps"}}
    with pytest.raises(UnreadableAnswerError):
        session.read(json.dumps(json.loads(wire.answer(0)) | {"view": other}))
