import errno
import json
import os
import shlex
import shutil
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from takt.core.bundles.bundle import CHECKPOINT, MANIFEST, load_bundle
from takt.core.bundles.card import CARD
from takt.core.bundles.thresholds import OVERRIDES, DeployedThresholds, Overrides
from takt.repository.activation import WAITING, read_activation
from takt_export.bundling import export_bundle
from takt_export.calibration.grouping import BY_LOOKS
from takt_export.commands.learn import learn
from takt_export.errors import LearnError
from takt_export.families.inpformer import learning as inpformer
from takt_export.families.patchcore.learning import fit_patchcore_to
from takt_export.learning.family import FamilyLearning, FitRequest
from takt_export.learning.learn import fit_folder, state_of
from takt_export.learning.look import look_at_pictures
from takt_export.learning.place import next_place
from takt_export.learning.size_request import AUTO, SizeRequest
from takt_export.learning.stages import Stages
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.fit.device import Compute
from tests.unit.export.learning.conftest import thin_fit

pytestmark = pytest.mark.torch

Learn = Callable[..., Result]


def lines_of(result: Result) -> dict[str, str]:
    """The summary's lines by their name; wrapped ones are joined."""
    found: dict[str, str] = {}
    name = ""
    for line in result.output.splitlines():
        name = line[:12].strip() or name
        found[name] = f"{found.get(name, '')} {line[12:]}".strip()
    return found


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_one_command_leads_from_pictures_to_a_bundle(
    learn_parts: Learn, pictures: Path, repository: Path
) -> None:
    result = learn_parts(pictures / "good", "--defects", pictures / "bad")
    assert result.exit_code == 0, result.output
    bundle = load_bundle(repository / "parts" / "1")
    assert (bundle.manifest.family, bundle.manifest.thresholds.good_count) == ("inpformer", 3)
    assert bundle.calibration.defect_score.size == 2
    assert (bundle.path / CARD).exists()
    # So that no update can go on from it.
    assert CHECKPOINT not in bundle.manifest.files
    said = lines_of(result)
    assert said["learned"] == "from 4 pictures, 80 x 60"
    found = (bundle.calibration.defect_score > bundle.manifest.thresholds.image).sum()
    assert said["defects"].startswith(f"{found} of 2 are anomalous, ")
    assert said["bundle"] == str(repository / "parts" / "1")
    assert said["serve it"] == f"takt serve --repository {repository}"
    assert " s: start " in said["ready in"]
    # Few pictures are enough, and it is said what that means.
    assert "at most 25 %" in said["promise"]
    assert "Of 100 good parts up to 25 may be rejected" in said["promise"]
    assert "0.01 needs 99" in said["note"]
    assert sorted(one.name for one in (repository / "parts").iterdir()) == ["1"]


def test_the_next_version_waits_and_the_one_before_stays_active(
    learn_parts: Learn, pictures: Path, repository: Path
) -> None:
    (repository / "parts" / "1").mkdir(parents=True)
    (repository / "parts" / "1" / MANIFEST).touch()
    said = lines_of(learn_parts(pictures / "good"))
    assert said["waiting"] == "version 1 stays active"
    assert said["activate"].endswith("/v1/models/parts/versions/2/activate")
    kept = read_activation(repository / "parts")
    assert kept is not None
    assert (kept.active, kept.reason) == ("1", WAITING)
    assert load_bundle(repository / "parts" / "2").manifest.version == "2"


def test_a_learning_that_is_refused_decides_nothing_of_what_is_active(
    learn_parts: Learn, pictures: Path, repository: Path
) -> None:
    (repository / "parts" / "1").mkdir(parents=True)
    (repository / "parts" / "1" / MANIFEST).touch()
    refused = learn_parts(pictures / "good", "--strict")
    assert refused.exit_code == 1
    assert "nothing was written, as --strict was given" in refused.output
    assert [one.name for one in (repository / "parts").iterdir()] == ["1"]


def test_an_unreadable_decision_is_met_before_the_fit(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_fit(*_: object) -> None:
        pytest.fail("it was fitted")

    monkeypatch.setattr(inpformer, "LEARNING", FamilyLearning(no_fit))
    (repository / "parts" / "1").mkdir(parents=True)
    (repository / "parts" / "active.json").write_text("{")
    refused = learn_parts(pictures / "good")
    assert refused.exit_code == 1
    assert "active.json" in refused.output


def test_copies_are_left_out_and_counted(pictures: Path, tmp_path: Path) -> None:
    good = tmp_path / "good"
    shutil.copytree(pictures / "good", good)
    shutil.copy(good / "000.png", good / "copy.png")
    with Stages(quiet=True) as stages:
        found = look_at_pictures(good, [], BY_LOOKS, stages)
    assert found.text() == "4 pictures, 80 x 60; 1 copy left out"


def test_an_id_that_is_too_long_is_refused_before_the_fit(
    learn_parts: Learn, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_fit(*_: object) -> None:
        pytest.fail("it was fitted")

    monkeypatch.setattr(inpformer, "LEARNING", FamilyLearning(no_fit))
    for path in (pictures / "good").iterdir():
        (tmp_path / "good" / f"{path.stem:x<65}").mkdir(parents=True)
        shutil.copy(path, tmp_path / "good" / f"{path.stem:x<65}")
    refused = learn_parts(tmp_path / "good", "--group", "folder")
    assert refused.exit_code == 1
    assert "more than 64 characters" in refused.output


@pytest.mark.parametrize("model", ["a part", "../part", "", ".part"])
def test_a_name_that_is_none_for_a_model_is_refused_with_what_is_one(
    learn_parts: Learn, pictures: Path, model: str
) -> None:
    refused = learn_parts(pictures / "good", model=model)
    assert refused.exit_code == 1
    assert "give --model up to 64 letters, digits" in refused.output


def test_a_folder_without_pictures_is_refused(
    learn_parts: Learn, tmp_path: Path, repository: Path
) -> None:
    (tmp_path / "empty").mkdir()
    refused = learn_parts(tmp_path / "empty")
    assert refused.exit_code == 1
    assert "holds no picture (.bmp" in refused.output
    assert not repository.exists()
    assert "there is no folder" in learn_parts(tmp_path / "none").output


def test_a_file_that_is_no_picture_is_named_before_the_fit(
    learn_parts: Learn, pictures: Path, tmp_path: Path, repository: Path
) -> None:
    good = tmp_path / "good"
    shutil.copytree(pictures / "good", good)
    (good / "999.png").write_bytes(b"no picture at all")
    refused = learn_parts(good)
    assert refused.exit_code == 1
    assert "999.png: " in refused.output
    assert "replace it, or take it out of the folder" in refused.output
    assert not repository.exists()


def test_an_alpha_that_the_pictures_cannot_carry_is_refused_before_the_fit(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[FitRequest] = []
    fits = FamilyLearning(lambda request, _: fitted.append(request), calibration=0.75)
    monkeypatch.setattr(inpformer, "LEARNING", fits)
    refused = learn_parts(pictures / "good", "--alpha", 0.2)
    assert refused.exit_code == 1
    # Three of the four pictures are held back.
    assert "good pictures: 3; alpha 0.2 needs at least 4; or ask for an alpha of 0.25" in (
        refused.output
    )
    assert not fitted
    assert not repository.exists()


def test_a_version_that_is_being_learned_is_left_alone_by_a_second_learning(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Result] = []

    def meanwhile(request: FitRequest, stages: Stages) -> None:
        if not refused:
            refused.append(learn_parts(pictures / "good"))
        thin_fit(request, stages)

    monkeypatch.setattr(inpformer, "LEARNING", FamilyLearning(meanwhile))
    first = learn_parts(pictures / "good")
    assert first.exit_code == 0, first.output
    assert refused[0].exit_code == 1
    assert "version 1 of parts is being learned already: wait" in refused[0].output
    assert sorted(one.name for one in (repository / "parts").iterdir()) == ["1"]


def test_a_version_that_came_meanwhile_is_told_before_the_fit(
    repository: Path,
) -> None:
    place = next_place(repository, "parts")
    place.path.mkdir(parents=True)
    with (
        pytest.raises(LearnError, match="came meanwhile: give the same command again"),
        fit_folder(place),
    ):
        pytest.fail("a fit would be lost")
    assert sorted(one.name for one in (repository / "parts").iterdir()) == ["1"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_repository_that_cannot_be_written_to_is_refused(
    learn_parts: Learn, pictures: Path, repository: Path
) -> None:
    repository.mkdir()
    repository.chmod(0o500)
    said = learn_parts(pictures / "good").output
    assert "no folder that may be written to; name another (--out, or --repository of" in said


def test_a_repository_that_is_a_file_is_refused(
    learn_parts: Learn, pictures: Path, repository: Path
) -> None:
    repository.write_text("")
    refused = learn_parts(pictures / "good")
    assert refused.exit_code != 0
    assert "is a file" in refused.output


def test_a_disk_that_is_all_but_full_is_told_before_any_work(
    learn_parts: Learn, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt_export.learning.place.FREE_BYTES", 1 << 62)
    refused = learn_parts(pictures / "good")
    assert refused.exit_code == 1
    assert "make room, or give --repository on another disk" in refused.output


def test_a_disk_that_fills_up_is_told_and_leaves_nothing(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(inpformer, "LEARNING", FamilyLearning(full))
    refused = learn_parts(pictures / "good")
    assert refused.exit_code == 1
    assert "the disk is full: make room" in refused.output
    assert not (repository / "parts").exists()


def test_a_disk_without_room_for_the_card_loses_no_word_of_the_version_that_is_there(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("takt_export.report.card.write_card", full)
    result = learn_parts(pictures / "good")
    assert result.exit_code == 0, result.output
    assert load_bundle(repository / "parts" / "1")
    said = " ".join(result.output.split())
    assert "its card cannot be written (No space left on device)" in said
    assert f"`takt card --write {repository / 'parts' / '1'}`" in said


@pytest.mark.parametrize(
    ("keeps", "says"),
    [(True, "goes on from the last state"), (False, "nothing was written")],
)
def test_an_interruption_says_what_it_has_left(
    learn_parts: Learn,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    keeps: bool,
    says: str,
) -> None:
    def interrupted(request: FitRequest, _: Stages) -> None:
        if keeps:
            request.out.with_name(request.out.name + ".resume").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(inpformer, "LEARNING", FamilyLearning(interrupted))
    stopped = learn_parts(pictures / "good")
    assert stopped.exit_code == 130
    assert says in stopped.output

    told = learn_parts(pictures / "good", "--progress", "json").stdout.splitlines()
    last = json.loads(told[-1])
    assert last["event"] == "error"
    assert says in last["text"]


def test_an_interrupted_bank_does_not_promise_to_go_on_from_the_state_of_another_family(
    repository: Path,
) -> None:
    place = next_place(repository, "parts")
    with pytest.raises(KeyboardInterrupt), fit_folder(place) as folder:
        (folder / "fit.safetensors.resume").touch()
        raise KeyboardInterrupt
    assert "goes on from the last state" in state_of(place, "efficientad")
    assert "nothing was written" in state_of(place, "patchcore")


def test_an_interrupted_wait_for_the_server_loses_no_word_of_the_version_that_is_there(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("takt_export.learning.running.wait_for", interrupt)
    result = learn_parts(pictures / "good")
    assert result.exit_code == 0, result.output
    told = lines_of(result)
    assert told["bundle"].endswith("parts/1")
    assert "has not loaded it yet" in told["absent"]
    assert (repository / "parts" / "1" / CARD).exists()


def test_an_interruption_of_the_card_says_that_the_version_is_there(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(request: FitRequest, stages: Stages) -> None:
        request.out.with_name(request.out.name + ".resume").touch()
        thin_fit(request, stages)

    monkeypatch.setattr(inpformer, "LEARNING", FamilyLearning(kept))
    monkeypatch.setattr("takt_export.report.card.write_card", interrupt)
    stopped = learn_parts(pictures / "good")
    assert stopped.exit_code == 130
    assert "parts/1 was written all the same" in stopped.output
    assert [path.name for path in (repository / "parts").iterdir()] == ["1"]
    assert load_bundle(repository / "parts" / "1")


def test_an_interrupted_fit_goes_on_after_another_family_has_made_the_version(
    repository: Path,
) -> None:
    first = next_place(repository, "parts")
    with pytest.raises(KeyboardInterrupt), fit_folder(first) as folder:
        (folder / "fit.safetensors.resume").write_bytes(b"an hour")
        raise KeyboardInterrupt
    with fit_folder(first) as folder:
        (folder / "fit.safetensors").write_bytes(b"a bank")
        first.path.mkdir()
    assert not folder.exists()
    with fit_folder(next_place(repository, "parts")) as folder:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            "fit.safetensors.resume": b"an hour"
        }


def test_a_fit_that_is_done_leaves_nothing_to_go_on_from(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    went_on = []

    def kept(request: FitRequest, stages: Stages) -> None:
        state = request.out.with_name(request.out.name + ".resume")
        went_on.append(state.exists())
        state.touch()
        thin_fit(request, stages)

    monkeypatch.setattr(inpformer, "LEARNING", FamilyLearning(kept))
    for _ in range(2):
        assert learn_parts(pictures / "good").exit_code == 0
    assert went_on == [False, False]
    assert sorted(path.name for path in (repository / "parts").iterdir() if path.is_dir()) == [
        "1",
        "2",
    ]


def test_a_fit_whose_version_others_have_made_meanwhile_is_there_for_the_next_one(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    went_on = []

    def overtaken(request: FitRequest, stages: Stages) -> None:
        state = request.out.with_name(request.out.name + ".resume")
        went_on.append(state.exists())
        state.touch()
        if not went_on[-1]:
            (repository / "parts" / "1").mkdir()
        thin_fit(request, stages)

    monkeypatch.setattr(inpformer, "LEARNING", FamilyLearning(overtaken))
    refused = learn_parts(pictures / "good")
    assert refused.exit_code == 1
    assert "parts/1 came meanwhile: give the same command again" in refused.output
    assert learn_parts(pictures / "good").exit_code == 0
    assert went_on == [False, True]
    assert load_bundle(repository / "parts" / "2")
    assert not (repository / "parts" / ".3.fit").exists()


def test_the_command_is_one_of_takts() -> None:
    (found,) = entry_points(group="takt.commands", name="learn")
    assert found.value == "takt_export.commands.learn:learn"


def test_a_bank_takes_the_size_and_the_encoder_that_were_asked_for(
    pictures: Path, tmp_path: Path
) -> None:
    with Stages(quiet=True) as stages:
        request = FitRequest(
            look_at_pictures(pictures / "good", [], BY_LOOKS, stages),
            tmp_path / "parts.safetensors",
            None,
            0,
            Compute.choose("cpu"),
            quiet=True,
            sizing=SizeRequest(AUTO),
        )
        fit_patchcore_to(request, stages)
    model = load_checkpoint((request.out,)).model
    # Pictures of 80 x 60.
    assert model.input_size == (272, 368)
    size, turned = stages.told
    assert size == "size 368x272: pictures of 80x60 keep their ratio"
    assert turned.startswith("seen turned, ")
    assert "4 good pictures are few and look much the same so" in turned


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--size", "250"), "must be a multiple of"),
        (("--size", "256", "--latency-ms", "9"), "--latency-ms goes with --size auto"),
        (("--family", "efficientad", "--encoder", "timm:any"), "is for patchcore and inpformer"),
        (("--minutes", "3"), "--minutes is for efficientad and inpformer; a patchcore is not"),
    ],
)
def test_what_the_family_does_not_take_is_refused(
    pictures: Path, repository: Path, arguments: tuple[str, ...], remedy: str
) -> None:
    given = (pictures / "good", "--model", "parts", "--repository", repository, "-q", *arguments)
    result = CliRunner().invoke(learn, [*map(str, given)])
    assert result.exit_code == 2
    assert remedy in result.output
    assert not list(repository.rglob(MANIFEST))


def test_a_threshold_that_people_have_set_is_told_to_be_not_carried_over(
    learn_parts: Learn, pictures: Path, repository: Path
) -> None:
    assert learn_parts(pictures / "good").exit_code == 0
    first = load_bundle(repository / "parts" / "1")
    deployed = DeployedThresholds(first, Overrides())
    (given,) = {deployed.change(image=2.75, pixel=None, reason="operator's lamp").after.image}
    result = learn_parts(pictures / "good")
    assert result.exit_code == 0, result.output
    note = " ".join(result.output.split())
    own = load_bundle(repository / "parts" / "2").manifest.thresholds.image
    assert f"the score threshold {given:.6g}, set by hand at 20" in note
    assert "(operator's lamp)" in note
    assert f"version 2 has its own, {own:.6g}" in note
    (line,) = (one for one in result.output.splitlines() if "X PUT" in one)
    words = shlex.split(line)
    assert words[4] == "http://127.0.0.1:9/v1/models/parts/versions/2/threshold"
    assert json.loads(words[-1]) == {"image": 2.75, "reason": "operator's lamp"}


def test_it_is_told_to_programs_too(learn_parts: Learn, pictures: Path, repository: Path) -> None:
    assert learn_parts(pictures / "good").exit_code == 0
    DeployedThresholds(load_bundle(repository / "parts" / "1"), Overrides()).change(
        image=None, pixel=3.5, reason=None
    )
    result = learn_parts(pictures / "good", "--progress", "json")
    events = [json.loads(line) for line in result.output.splitlines()]
    warnings = [one["text"] for one in events if one["event"] == "warning"]
    (told,) = (one for one in warnings if "NOT carried over" in one)
    assert "the map threshold 3.5" in told
    assert "no reason was given" in told
    assert told in events[-1]["notes"]


def test_a_switch_that_people_have_set_is_told_to_be_not_carried_over(
    learn_parts: Learn, pictures: Path, repository: Path
) -> None:
    assert learn_parts(pictures / "good").exit_code == 0
    DeployedThresholds(load_bundle(repository / "parts" / "1"), Overrides()).change(
        image=None, pixel=None, undecided=True, reason=None
    )
    result = learn_parts(pictures / "good")
    assert result.exit_code == 0, result.output
    assert "makes no decision on pictures that cannot be judged" in " ".join(result.output.split())
    (line,) = (one for one in result.output.splitlines() if "X PUT" in one)
    assert json.loads(shlex.split(line)[-1]) == {"undecided": True}


def test_no_decision_that_people_have_switched_off_is_told_where_the_next_version_has_it(
    learn_parts: Learn, pictures: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_bundle, "undecided_by_default", lambda _: True)
    result = learn_parts(pictures / "good")
    assert "no decision pictures beyond all good ones" in result.output
    DeployedThresholds(load_bundle(repository / "parts" / "1"), Overrides()).change(
        image=None, pixel=None, undecided=False, reason=None
    )
    result = learn_parts(pictures / "good")
    assert "judges every picture, as somebody has set it" in " ".join(result.output.split())
    (line,) = (one for one in result.output.splitlines() if "X PUT" in one)
    assert json.loads(shlex.split(line)[-1]) == {"undecided": False}


def test_thresholds_that_cannot_be_read_do_not_undo_what_was_learned(
    learn_parts: Learn, pictures: Path, repository: Path
) -> None:
    assert learn_parts(pictures / "good").exit_code == 0
    (repository / "parts" / "1" / OVERRIDES).write_text("{")
    result = learn_parts(pictures / "good")
    assert result.exit_code == 0, result.output
    assert "what people have set in version 1 cannot be told" in " ".join(result.output.split())
    assert load_bundle(repository / "parts" / "2").manifest.version == "2"
