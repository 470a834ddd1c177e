import httpx
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from service.api.metrics_app import metrics_app
from service.api.rest.status import metrics_router
from service.observing.journal import Journal
from service.observing.metrics import Metrics
from service.ray.metrics_of_all import MetricsOfAll, text_of, together


class Replicas:
    def __init__(self, *answers: tuple[str, str] | Exception) -> None:
        self._answers = answers

    async def results_async(
        self, *, timeout_s: float | None = None, return_exceptions: bool = False
    ) -> list[tuple[str, str] | BaseException]:
        return list(self._answers)


def served(*answers: tuple[str, str] | Exception) -> httpx.AsyncClient:
    inside = Starlette(routes=[Route("/v1/models", lambda request: PlainTextResponse("inside"))])
    app = MetricsOfAll(inside, lambda: Replicas(*answers))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://takt")


async def own_text(metrics: Metrics) -> str:
    router = metrics_router(metrics, Journal(metrics, None, None))
    return await text_of(metrics_app((router,), Journal(metrics, None, None), lambda app: app))


async def test_each_series_of_each_replica_is_there_under_its_name() -> None:
    texts = []
    for number, count in (("one", 3), ("two", 4)):
        metrics = Metrics(max_queue_size=count)
        metrics.streams.set(count)
        texts.append((number, await own_text(metrics)))
    async with served(*texts) as client:
        answer = await client.get("/metrics")
    found = {
        sample.labels["replica"]: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "takt_streams"
    }
    assert found == {"one": 3.0, "two": 4.0}
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_a_histogram_stays_one() -> None:
    text = await own_text(Metrics())
    (family,) = [
        family
        for family in text_string_to_metric_families(together([("one", text)]).decode())
        if family.name == "takt_stage_seconds"
    ]
    assert family.type == "histogram"


async def test_a_replica_that_does_not_answer_is_left_out() -> None:
    async with served(("one", "# TYPE a gauge\na 1.0\n"), RuntimeError("it died")) as client:
        assert 'a{replica="one"} 1.0' in (await client.get("/metrics")).text


async def test_all_other_paths_are_answered_inside() -> None:
    async with served() as client:
        assert (await client.get("/v1/models")).text == "inside"
        assert (await client.post("/metrics")).status_code == 404
