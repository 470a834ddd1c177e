"""The answers to a stream's frames, as values from a server's JSON."""

from __future__ import annotations

from takt_client.parts import result_of
from takt_client.reading import Json, inspection_of, record_of
from takt_client.values import FrameAnswer, FrameView, Heatmap, Vote


def frame_answer_of(body: Json, heatmap: Heatmap | None) -> FrameAnswer:
    """From a stream's answer and the heatmap that came after it."""
    vote = body["vote"]
    if vote is not None:
        vote = record_of(Vote, vote, undecided=int(vote.get("undecided", 0)))
    # Servers before API 2.10 have no views.
    view = body.get("view")
    if view is not None:
        view = record_of(FrameView, view, result=result_of(view["result"]))
    inspected = inspection_of(body, heatmap)
    return record_of(FrameAnswer, body, inspected=inspected, vote=vote, view=view)
