import httpx
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from takt.observing.instruments.merging import told
from takt.observing.instruments.metrics import Metrics
from takt.ray.metrics_of_all import MetricsOfAll, OfReplica, together


def of_replica(name: str, streams: int = 0) -> OfReplica:
    metrics = Metrics()
    metrics.streams.set(streams)
    return name, told(metrics.read())


class Replicas:
    def __init__(self, *answers: OfReplica | Exception) -> None:
        self._answers = answers

    async def results_async(
        self, *, timeout_s: float | None = None, return_exceptions: bool = False
    ) -> list[OfReplica | BaseException]:
        return list(self._answers)


def served(*answers: OfReplica | Exception) -> httpx.AsyncClient:
    inside = Starlette(routes=[Route("/v1/models", lambda request: PlainTextResponse("inside"))])
    app = MetricsOfAll(inside, lambda: Replicas(*answers))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://takt")


async def test_each_series_of_each_replica_is_there_under_its_name() -> None:
    async with served(of_replica("one", 3), of_replica("two", 4)) as client:
        answer = await client.get("/metrics")
    found = {
        sample.labels["replica"]: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "takt_streams"
    }
    assert found == {"one": 3.0, "two": 4.0}
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_each_family_is_there_once_and_of_its_type() -> None:
    text = together([of_replica("one"), of_replica("two")]).decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    types = {family.name: family.type for family in families}
    assert types["takt_stage_seconds"] == "histogram"
    assert types["takt_requests"] == "counter"


async def test_a_replica_that_does_not_answer_is_left_out() -> None:
    async with served(of_replica("one", 3), RuntimeError("it died")) as client:
        assert 'takt_streams{replica="one"} 3.0' in (await client.get("/metrics")).text


async def test_all_other_paths_are_answered_inside() -> None:
    async with served() as client:
        assert (await client.get("/v1/models")).text == "inside"
        assert (await client.post("/metrics")).status_code == 404
