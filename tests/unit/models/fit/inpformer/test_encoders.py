from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from takt_models.checkpoints.errors import CheckpointError
from takt_models.checkpoints.facts import Centre, InputRecipe
from takt_models.fit.backbone import Lite0Features
from takt_models.fit.inpformer.encoders import EncoderError, folded, load_into, pretrained
from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.lite0 import BLOCKS, FEATURES, Lite0Encoder

DIM = 64
GRID = 37


def dino(depth: int = 10) -> dict[str, Tensor]:
    """A thin DINOv2 with registers, as its own code saves it."""
    torch.manual_seed(0)
    state = {
        "cls_token": torch.randn(1, 1, DIM),
        "pos_embed": torch.randn(1, 1 + GRID**2, DIM),
        "register_tokens": torch.randn(1, 4, DIM),
        "mask_token": torch.zeros(1, DIM),
        "patch_embed.proj.weight": 0.02 * torch.randn(DIM, 3, 14, 14),
        "patch_embed.proj.bias": torch.randn(DIM),
        "norm.weight": torch.ones(DIM),
        "norm.bias": torch.zeros(DIM),
    }
    shapes = {
        "norm1.weight": (DIM,), "norm1.bias": (DIM,), "norm2.weight": (DIM,), "norm2.bias": (DIM,),
        "attn.qkv.weight": (3 * DIM, DIM), "attn.qkv.bias": (3 * DIM,),
        "attn.proj.weight": (DIM, DIM), "attn.proj.bias": (DIM,),
        "ls1.gamma": (DIM,), "ls2.gamma": (DIM,),
        "mlp.fc1.weight": (4 * DIM, DIM), "mlp.fc1.bias": (4 * DIM,),
        "mlp.fc2.weight": (DIM, 4 * DIM), "mlp.fc2.bias": (DIM,),
    }  # fmt: skip
    for block in range(depth):
        state |= {f"blocks.{block}.{n}": 0.1 * torch.randn(s) for n, s in shapes.items()}
    return state


def as_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights as timm keeps them: the class token has its position's embedding."""
    other = dict(state)
    other["reg_token"] = other.pop("register_tokens")
    other.pop("mask_token")
    other["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
    other["pos_embed"] = state["pos_embed"][:, 1:].clone()
    return other


def kept(state: dict[str, Tensor], path: Path) -> str:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


@pytest.fixture(scope="module")
def lite0() -> InpFormer:
    chosen = pretrained("lite0")
    model = InpFormer(chosen.config)
    load_into(model.encoder, chosen)
    return model.eval()


@torch.no_grad()
def test_the_light_encoder_is_timm_s_network_with_batch_norms_folded() -> None:
    backbone = Lite0Features().eval()
    encoder = Lite0Encoder(240)
    encoder.load_state_dict(folded(backbone.network), strict=False)
    image = torch.rand(2, 3, 96, 64)
    x = F.relu6(encoder.stem((image * 255 - 127) / 128))
    outputs = []
    for block in encoder.blocks:
        x = block(x)
        outputs.append(x)
    for ours, theirs in zip((outputs[4], outputs[10]), backbone(image), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_the_light_encoder_s_weights_are_exact_in_float16(lite0: InpFormer) -> None:
    for name, weight in lite0.encoder.named_parameters():
        assert torch.equal(weight.half().float(), weight), name
        assert not weight.requires_grad


@torch.no_grad()
def test_each_stage_has_channels_of_its_own(lite0: InpFormer) -> None:
    tokens = lite0.encode(lite0.normalize(torch.rand(1, 3, 448, 448)))
    assert len(tokens) == BLOCKS == 8
    slices = [(0, 40)] * 2 + [(40, 120)] * 3 + [(120, FEATURES)] * 3
    for one, (first, end) in zip(tokens, slices, strict=True):
        assert one.shape == (1, 784, 240)
        used = one[0].abs().amax(0) > 0
        assert used[first:end].all()
        assert used.sum() == end - first


class Positions(nn.Module):
    """A block that says of each cell where its centre is, in pixels of the input."""

    def __init__(self, stride: int, channels: int) -> None:
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, x: Tensor) -> Tensor:
        cells = 448 // self.stride
        centres = self.stride * torch.arange(cells).float() + self.stride - 1
        rows = centres.view(1, 1, cells, 1).expand(1, self.channels // 2, cells, cells)
        columns = centres.view(1, 1, 1, cells).expand_as(rows)
        return torch.cat([rows, columns], dim=1)


@torch.no_grad()
def test_every_token_lies_at_the_centre_of_its_16_pixels() -> None:
    encoder = Lite0Encoder(240)
    for index, (stride, channels) in enumerate([(8, 40)] * 2 + [(16, 80)] * 3 + [(16, 112)] * 3, 3):
        encoder.blocks[index] = Positions(stride, channels)
    centres = 16 * torch.arange(28).float() + 7.5
    for output in encoder.pooled(torch.zeros(1, 3, 448, 448)):
        rows, columns = output[0].chunk(2)
        inside = slice(1, None)  # the first tokens see the border
        assert (rows[0, inside, 0] - centres[inside]).abs().max() <= 0.5
        assert (columns[0, 0, inside] - centres[inside]).abs().max() <= 0.5


@pytest.mark.parametrize("name", ["d.pth", "d.safetensors"])
@pytest.mark.parametrize("layout", [dict, as_timm])
def test_a_dinov2_is_read_from_either_code_base_s_file(
    tmp_path: Path, name: str, layout: type
) -> None:
    state = dino()
    chosen = pretrained(kept(layout(state), tmp_path / name))
    assert chosen.config.embed_dim == DIM
    assert chosen.config.target_blocks == tuple(range(2, 10))
    assert chosen.recipe == InputRecipe(448, 448, "pillow_bilinear", Centre(392, 392))
    model = InpFormer(chosen.config)
    load_into(model.encoder, chosen)
    expected = state["cls_token"] + state["pos_embed"][:, :1]
    torch.testing.assert_close(model.encoder.state_dict()["cls_token"], expected)
    assert not any(weight.requires_grad for weight in model.encoder.parameters())


def test_later_blocks_are_left_out_and_24_mean_the_large_one(tmp_path: Path) -> None:
    assert "blocks.10.ls1.gamma" not in pretrained(kept(dino(12), tmp_path / "d.pth")).weights
    large = pretrained(kept(dino(24), tmp_path / "l.pth"))
    assert large.config.target_blocks == (4, 6, 8, 10, 12, 14, 16, 18)


@torch.no_grad()
def test_it_answers_as_the_published_network_in_timm(tmp_path: Path) -> None:
    network = timm.create_model(
        "vit_small_patch14_reg4_dinov2", num_classes=0, embed_dim=DIM, depth=10, num_heads=1,
        img_size=392, dynamic_img_size=False,
    ).eval()  # fmt: skip
    chosen = pretrained(kept(network.state_dict(), tmp_path / "t.safetensors"))
    model = InpFormer(chosen.config)
    load_into(model.encoder, chosen)
    images = torch.rand(1, 3, 392, 392)
    theirs = network.get_intermediate_layers(model.normalize(images), n=[2, 9], norm=False)
    ours = model.encode(model.normalize(images))
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ours[7], theirs[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda state: state.pop("register_tokens"), "missing: register_tokens"),
        (lambda state: state.pop("blocks.3.ls1.gamma"), r"does not fit.*ls1\.gamma"),
        (lambda state: state.update(register_tokens=torch.zeros(1, 2, DIM)), "registers"),
        (lambda state: [state.pop(k) for k in list(state) if k > "blocks.6"], "missing"),
    ],
)
def test_what_is_no_dinov2_with_registers_is_refused(
    tmp_path: Path, change: object, problem: str
) -> None:
    state = dino()
    change(state)  # type: ignore[operator]
    with pytest.raises(EncoderError, match=problem):
        chosen = pretrained(kept(state, tmp_path / "d.pth"))
        load_into(InpFormer(chosen.config).encoder, chosen)


def test_too_shallow_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="5 blocks, fewer than 10"):
        pretrained(kept(dino(5), tmp_path / "d.pth"))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.pth").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        pretrained(str(tmp_path / "d.pth"))


def test_weights_that_cannot_be_downloaded_are_told_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(EncoderError, match=r"no route to host.*give its path"):
        pretrained("timm:vit_small_patch14_reg4_dinov2.lvd142m")
