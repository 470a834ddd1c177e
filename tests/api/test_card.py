"""What is told of a bundle's files: its card, its sizes, its digest."""

from __future__ import annotations

from tests.api.keys import KEYS, bearer

CARD = "/v1/models/parts/card"


async def test_the_card_of_a_bundle_is_told_as_markdown(serve, bundle) -> None:
    (bundle.path / "card.md").write_text("# parts, version 1\n\ngood für Ölwannen\n", "utf-8")
    async with serve() as client:
        for path in (CARD, "/v1/models/parts/versions/1/card"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert answer.text.startswith("# parts, version 1")
            assert "Ölwannen" in answer.text
            assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await client.get("/v1/models/nut/card")).status_code == 404


async def test_a_bundle_without_a_card_says_so(serve) -> None:
    async with serve() as client:
        assert (await client.get(CARD)).status_code == 204


async def test_a_card_that_leads_out_of_the_repository_is_not_read(serve, bundle, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    (bundle.path / "card.md").symlink_to(secret)
    async with serve() as client:
        answer = await client.get(CARD)
    assert (answer.status_code, answer.json()["code"]) == (500, "invalid_bundle")
    assert "a secret" not in answer.text


async def test_a_card_needs_the_scope_read(serve) -> None:
    async with serve(keys=KEYS) as client:
        assert (await client.get(CARD, headers=bearer("camera"))).status_code == 403
        assert (await client.get(CARD, headers=bearer("scraper"))).status_code == 204


async def test_a_version_tells_its_size_on_the_disk_and_its_digest(serve, bundle) -> None:
    async with serve() as client:
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]
    listed = sum((bundle.path / name).stat().st_size for name in bundle.manifest.files)
    graph = (bundle.path / "model.onnx").stat().st_size
    assert version["on_disk"] == {"bytes": listed, "graph_bytes": graph}
    assert version["digest"] == bundle.digest


async def test_a_version_whose_files_cannot_be_read_has_no_size(serve, bundle) -> None:
    (bundle.path / "golden.npz").unlink()
    async with serve() as client:
        (version,) = (await client.get("/v1/models/parts")).json()["versions"]
    assert (version["state"], version["on_disk"], version["digest"]) == ("failed", None, None)
