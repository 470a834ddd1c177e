from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from takt_models.checkpoints.description import describe
from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Checkpoint, InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.checkpoints.nelson import measure_missing
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd
from takt_models.efficientad.statistics import FlatStatisticsError

Write = Callable[..., Path]
ROLES = ("teacher", "student", "autoencoder")


def files(folder: Path) -> list[Path]:
    return [folder / f"{role}_final.pth" for role in ROLES]


@pytest.mark.parametrize("size", ["small", "medium"])
def test_every_tensor_of_the_three_files_comes_to_its_place(nelson1425: Write, size: Any) -> None:
    loaded = load_checkpoint(nelson1425(size))
    model = loaded.model
    assert isinstance(model, EfficientAd)
    assert model.config == EfficientAdConfig(size=size, recipe="nelson1425")
    for role in ROLES:
        weights = model.get_submodule(role).state_dict()
        for index, (name, weight) in enumerate(weights.items(), start=1):
            assert torch.all(weight == torch.tensor(index / 1000)), f"{role}.{name}"
    assert loaded.framework == "nelson1425"
    assert loaded.recipe == InputRecipe(256, 256, "pillow_bilinear", opened_by="pillow")
    assert loaded.missing == ("teacher statistics", "map quantiles")
    assert loaded.thresholds is None


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_and_the_names_of_the_files_do_not_matter(
    nelson1425: Write, tmp_path: Path, order: tuple[int, ...]
) -> None:
    named = files(nelson1425())
    renamed = [path.rename(tmp_path / f"{index}.pth") for index, path in enumerate(named)]
    model = load_checkpoint([renamed[index] for index in order]).model
    assert isinstance(model, EfficientAd)
    assert model.student.conv4.out_channels == 768


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (["teacher"], "the student and the autoencoder of the same training are missing"),
        (["student", "teacher"], "the autoencoder of the same training is missing"),
        (["autoencoder", "teacher"], "the student of the same training is missing"),
    ],
)
def test_missing_files_are_named(nelson1425: Write, given: list[str], missing: str) -> None:
    folder = nelson1425()
    paths = [folder / f"{role}_final.pth" for role in given]
    with pytest.raises(CheckpointError, match=f"{missing}: give teacher_final.pth, student_final"):
        load_checkpoint(paths)
    described = describe(paths)
    assert described.format == f"nelson1425 .pth ({', '.join(given)})"
    assert missing in (described.problem or "")
    for path in set(folder.iterdir()) - set(paths):
        path.unlink()
    with pytest.raises(CheckpointError, match=missing):
        load_checkpoint(folder)


def test_a_file_too_many_is_refused(nelson1425: Write, tmp_path: Path) -> None:
    paths = files(nelson1425())
    again = tmp_path / "teacher_tmp.pth"
    again.write_bytes(paths[0].read_bytes())
    with pytest.raises(CheckpointError, match="more than one teacher, one student"):
        load_checkpoint([*paths, again])


def test_networks_of_two_sizes_are_refused(nelson1425: Write, tmp_path: Path) -> None:
    paths = files(nelson1425())
    teacher = paths[0].rename(tmp_path / "small.pth")
    nelson1425("medium")
    with pytest.raises(CheckpointError, match=r"small.pth is small but .*student_final.pth is med"):
        load_checkpoint([teacher, *paths[1:]])


def test_a_checkpoint_of_someone_else_beside_them_is_refused(
    nelson1425: Write, tmp_path: Path
) -> None:
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"other.pth is none of nelson1425's three files"):
        load_checkpoint([*files(nelson1425())[:2], tmp_path / "other.pth"])


def teacher(
    *,
    channels: int = 384,
    padding: int = 0,
    last: nn.Module | None = None,
    pool: nn.Module | None = None,
) -> nn.Sequential:
    with torch.device("meta"):
        layers = [
            *(nn.Conv2d(3, 128, 4, padding=padding), nn.ReLU(), pool or nn.AvgPool2d(2, 2)),
            *(nn.Conv2d(128, 256, 4), nn.ReLU(), nn.AvgPool2d(2, 2)),
            *(nn.Conv2d(256, 256, 3), nn.ReLU(), last or nn.Conv2d(256, channels, 4)),
        ]
    return nn.Sequential(*layers).to_empty(device="cpu")


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(),
        nn.Sequential(nn.ReLU()),
        teacher(channels=512),
        teacher(padding=3),
        teacher(pool=nn.AvgPool2d(2, 2, count_include_pad=False)),
        teacher(last=nn.Conv2d(256, 384, 4, groups=2)),
        teacher(last=nn.Conv2d(256, 384, 4, dilation=2)),
        teacher(last=nn.ReLU()),
    ],
)
def test_another_network_than_theirs_is_refused(nelson1425: Write, network: nn.Module) -> None:
    folder = nelson1425(teacher=network)
    with pytest.raises(CheckpointError, match="none of nelson1425's networks"):
        load_checkpoint(folder)


def test_a_sequential_of_something_else_than_layers_is_refused(nelson1425: Write) -> None:
    network = nn.Sequential()
    network.__dict__["_modules"] = {"0": 3}
    with pytest.raises(CheckpointError, match="a Sequential without plain layers"):
        load_checkpoint(nelson1425(teacher=network))


def test_weights_of_another_shape_than_their_layer_are_refused(nelson1425: Write) -> None:
    network = teacher()
    network[0].weight = nn.Parameter(torch.zeros(1))
    with pytest.raises(CheckpointError, match=r"0\.weight has the shape \[1\] instead of \[128, 3"):
        load_checkpoint(nelson1425(teacher=network))


def test_weights_that_are_not_finite_are_refused(nelson1425: Write) -> None:
    network = teacher()
    for parameter in network.parameters():
        nn.init.constant_(parameter, torch.nan)
    with pytest.raises(CheckpointError, match=r"teacher_final.pth: .* not finite"):
        load_checkpoint(nelson1425(teacher=network))


@pytest.fixture
def random_checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    model = EfficientAd(EfficientAdConfig(recipe="nelson1425")).eval()
    recipe = InputRecipe(256, 256, "pillow_bilinear")
    lacking = ("teacher statistics", "map quantiles")
    return Checkpoint(model, "nelson1425", recipe, missing=lacking)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Twelve files in a random order; the seventh byte of each is its number."""
    paths = [tmp_path / f"{number:02}.png" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(b"picture" + bytes([number]))
    return [paths[index] for index in np.random.default_rng(1).permutation(12)]


def test_the_split_is_that_of_their_code(
    random_checkpoint: Checkpoint, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[str, list[str]] = {}
    for name in ("set_teacher_statistics", "set_map_quantiles"):
        monkeypatch.setattr(
            f"takt_models.checkpoints.nelson.{name}",
            lambda model, images, name=name: taken.update({name: list(images)}),
        )
    whole = measure_missing(random_checkpoint, pictures, lambda path: path.name)  # type: ignore[arg-type, return-value]

    names = sorted(path.name for path in pictures)
    train, validation = torch.utils.data.random_split(
        names,  # type: ignore[arg-type]
        [10, 2],
        torch.Generator().manual_seed(42),
    )
    assert taken["set_teacher_statistics"] == list(train)
    assert taken["set_map_quantiles"] == list(validation)
    assert whole.missing == ()


def read(path: Path) -> Tensor:
    generator = torch.Generator().manual_seed(path.read_bytes()[7])
    return torch.rand(1, 3, 256, 256, generator=generator)


def test_what_is_missing_is_measured_on_a_copy(
    random_checkpoint: Checkpoint, pictures: list[Path]
) -> None:
    given = sorted(pictures)[:2]
    whole = measure_missing(random_checkpoint, given, read)
    before, model = random_checkpoint.model, whole.model
    assert isinstance(before, EfficientAd)
    assert isinstance(model, EfficientAd)
    assert torch.all(before.teacher_std == 1)
    assert random_checkpoint.missing
    # One picture for each, as nine tenths of two are one.
    first, second = torch.randperm(2, generator=torch.Generator().manual_seed(42)).tolist()
    with torch.no_grad():
        features = before.teacher(before.normalize(read(given[first]))).double()
        raw = model.differences(model.normalize(read(given[second])))
    torch.testing.assert_close(model.teacher_mean.double(), features.mean((0, 2, 3), keepdim=True))
    expected = np.quantile(raw.st.numpy(), [0.9, 0.995])
    np.testing.assert_allclose(model.quantiles[:2].numpy(), expected, rtol=1e-5)
    assert set(whole.seen) == {picture_digest(path) for path in given}


def test_a_complete_checkpoint_is_left_alone(pictures: list[Path]) -> None:
    model = EfficientAd(EfficientAdConfig(recipe="nelson1425"))
    complete = Checkpoint(model, "nelson1425", InputRecipe(256, 256, "pillow_bilinear"))
    assert measure_missing(complete, pictures, read) is complete


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures_are_refused(
    random_checkpoint: Checkpoint, pictures: list[Path], count: int
) -> None:
    with pytest.raises(
        CheckpointError,
        match=f"lacks teacher statistics and map quantiles, .* two good pictures, not {count}",
    ):
        measure_missing(random_checkpoint, pictures[:count], read)


def test_pictures_without_any_content_are_refused(
    random_checkpoint: Checkpoint, pictures: list[Path]
) -> None:
    with pytest.raises(FlatStatisticsError, match="never varies"):
        measure_missing(random_checkpoint, pictures[:2], lambda _: torch.zeros(1, 3, 256, 256))
