"""The examples of problems are what a server says."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest

from takt.core.engines.fake import FakeEngine
from tests.api.document.operations import operation, operations_of
from tests.api.keys import KEYS, WITH_SCOPE, bearer

EVIL = {"Origin": "https://evil.example"}


def png_header(side: int) -> bytes:
    """The beginning of a PNG that claims so many pixels."""
    fields = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + fields + struct.pack(">I", zlib.crc32(fields))
    return b"\x89PNG\r\n\x1a\n" + header + bytes(64)


def tensor(**changed: Any) -> dict[str, Any]:
    return {"name": "image", "shape": [1], "datatype": "BYTES", "data": ["YQ=="], **changed}


ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("inspect_picture", "invalid_image", {}),
    ("inspect_picture", "forbidden", {"headers": EVIL}),
    ("inspect_picture", "image_too_large", {"content": png_header(10_000)}),
    ("inspect_picture", "unsupported_image", {"content": b"GIF89a" + bytes(64)}),
    ("inspect_picture", "invalid_parameter", {"params": {"timeout_ms": 0}}),
    ("inspect_picture_by_version", "misdirected_request", {"headers": {"Host": "evil.example"}}),
    ("list_models", "misdirected_request", {"headers": {"Host": "evil.example"}}),
    ("set_threshold", "invalid_parameter", {"json": {}}),
    ("reset_threshold", "forbidden_1", {"headers": EVIL}),
    ("inspect_view", "no_record", {"params": {"recipe": "bracket"}}),
    ("inspect_view", "forbidden", {"headers": EVIL}),
    ("get_part", "no_record", {}),
    ("end_part", "forbidden", {"headers": EVIL}),
    ("list_parts", "no_record", {}),
    ("list_recipes", "no_record", {}),
    ("remove_recipe", "no_record", {}),
    ("save_recipe", "forbidden", {"headers": EVIL}),
    ("activate_version", "invalid_parameter", {"json": {"reason": 1}}),
    ("activate_version", "forbidden_1", {"headers": EVIL}),
    ("roll_back", "conflict", {}),
    ("judge_inspections", "no_record", {"json": {"ids": [17], "judgement": "good"}}),
    ("judge_inspections", "invalid_parameter", {"json": {}}),
    ("pin_picture", "forbidden", {"headers": EVIL}),
    ("get_confusion", "no_record", {}),
    ("get_confusion", "invalid_parameter", {"params": {"version": "1"}}),
    ("get_learning", "learning_not_found", {}),
    ("get_teachable", "invalid_parameter", {}),
    ("give_picture", "learning_not_found", {}),
    ("create_learning", "invalid_parameter", {"json": {}}),
    ("create_learning", "forbidden", {"headers": EVIL}),
    ("begin_session", "conflict", {}),
    ("begin_session", "forbidden", {"headers": EVIL}),
    ("list_inspections", "no_record", {}),
    ("list_inspections", "invalid_parameter", {"params": {"version": "1"}}),
    ("export_inspections", "no_record", {"params": {"format": "csv"}}),
    ("oip_infer", "bad_request", {"json": {"inputs": [tensor(shape=[2])]}}),
    ("oip_infer", "invalid_parameter", {"json": {"inputs": []}}),
    ("oip_infer_by_version", "misdirected_request", {"headers": {"Host": "evil.example"}}),
    ("oip_repository_index", "invalid_parameter", {"json": {"ready": 1}}),
    ("oip_repository_index", "forbidden", {"headers": EVIL}),
]


def compare(answer, openapi, wanted: str, example: str) -> None:
    expected = operation(openapi, wanted).examples(answer.status_code)[example]
    assert answer.json() | {"request_id": ""} == expected | {"request_id": ""}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_a_server_refuses_is_the_example_of_that_route(serve, openapi) -> None:
    async with serve() as client:
        for wanted, example, asked in ASKED:
            one = operation(openapi, wanted)
            answer = await client.request(one.method, one.path_of("parts"), **asked)
            compare(answer, openapi, wanted, example)


async def test_what_a_server_refuses_by_its_settings_is_the_example(serve, openapi) -> None:
    async with serve(threshold_changes=False, version_changes=False) as client:
        for wanted in ("set_threshold_of_version", "reset_threshold", "activate_version"):
            one = operation(openapi, wanted)
            answer = await client.request(one.method, one.path_of("parts"))
            compare(answer, openapi, wanted, "forbidden")


async def test_whom_a_server_does_not_answer_is_the_example_of_that_route(serve, openapi) -> None:
    async with serve(keys=KEYS) as client:
        for one in operations_of(openapi):
            if not one.fields["security"]:
                continue
            path = one.path_of("parts")
            compare(await client.request(one.method, path), openapi, one.id, "unauthenticated")
            if scopes := one.fields["security"][0]["key"]:
                other = next(name for scope, name in WITH_SCOPE.items() if scope not in scopes)
                answer = await client.request(one.method, path, headers=bearer(other))
                expected = one.examples(403)["insufficient_scope"]["detail"]
                assert answer.json()["detail"] == expected.replace("line3", other)
                assert answer.json()["code"] == "insufficient_scope"


async def test_a_model_that_loads_is_the_example(serve_loading, openapi, bad_part) -> None:
    async with serve_loading() as client:
        for wanted in ("inspect_picture", "oip_infer", "reset_threshold"):
            one = operation(openapi, wanted)
            answer = await client.request(one.method, one.path_of("parts"), content=bad_part)
            compare(answer, openapi, wanted, "not_ready")


class Failing(FakeEngine):
    """Fails as a runtime does, once it has been let."""

    def infer(self, images):
        if self.fail:
            raise RuntimeError("out of luck")
        return super().infer(images)


@pytest.mark.parametrize(
    ("fault", "example"),
    [
        ("raise", "engine_failed"),
        ("die", "engine_died"),
        ("out_of_memory", "engine_out_of_memory"),
    ],
)
async def test_what_an_engine_does_is_the_example(
    serve, openapi, bad_part, fault: str, example: str
) -> None:
    engine = Failing()
    async with serve(open_engine=lambda _: engine) as client:
        if fault == "raise":
            engine.fail = True
        else:
            engine.faults = iter([fault])  # type: ignore[list-item]
        answer = await client.post("/v1/models/parts/inspect", content=bad_part)
        compare(answer, openapi, "inspect_picture", example)


async def test_what_comes_too_late_is_the_example(serve, openapi, engines, bad_part) -> None:
    async with serve() as client:
        engines[0].gate.clear()
        answer = await client.post(
            "/v1/models/parts/inspect", params={"timeout_ms": 200}, content=bad_part
        )
        compare(answer, openapi, "inspect_picture", "deadline_exceeded")
