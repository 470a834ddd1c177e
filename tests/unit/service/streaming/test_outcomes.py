from takt.streaming.outcomes import AnsweredFrame, DroppedFrame, FailedFrame, KeptOutcomes


def answered(sequence: int, inspection) -> AnsweredFrame:
    return AnsweredFrame(sequence, 0, inspection, 1.0, 0, None, None)


def test_the_last_outcomes_are_kept_and_older_ones_are_let_go(inspection) -> None:
    kept = KeptOutcomes(3)
    for sequence in range(5):
        kept.add(answered(sequence, inspection()))
    assert [outcome.sequence for outcome in kept.after(None)] == [2, 3, 4]


def test_only_outcomes_of_later_frames_are_given_again(inspection) -> None:
    kept = KeptOutcomes(8)
    kept.add(DroppedFrame(1, 1))
    kept.add(answered(0, inspection()))
    kept.add(FailedFrame(2, 400, "invalid_image", "", ""))
    kept.add(DroppedFrame(4, 2))
    kept.add(answered(3, inspection()))
    assert [outcome.sequence for outcome in kept.after(1)] == [2, 4, 3]
    assert kept.after(4) == []


def test_heatmaps_over_the_bound_are_let_go_the_oldest_first(inspection) -> None:
    kept = KeptOutcomes(4, heatmap_bytes=25)
    for sequence in range(4):
        kept.add(answered(sequence, inspection(heatmap=b"0123456789")))
    heatmaps = [outcome.inspection.heatmap for outcome in kept.after(None)]
    assert [heatmap is not None for heatmap in heatmaps] == [False, False, True, True]


def test_a_heatmap_that_left_with_its_answer_counts_no_more(inspection) -> None:
    kept = KeptOutcomes(1, heatmap_bytes=10)
    for sequence in range(3):
        kept.add(answered(sequence, inspection(heatmap=b"0123456789")))
    (last,) = kept.after(None)
    assert last.inspection.heatmap is not None
