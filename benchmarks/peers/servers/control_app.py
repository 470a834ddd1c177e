"""The control: FastAPI, each request runs the model in the default thread pool, no batches."""

import job
import uvicorn
from fastapi import Body, FastAPI


def build_app() -> FastAPI:
    """The app, its model loaded."""
    app = FastAPI()
    session = job.make_session()

    # With a type of the return value FastAPI would check each answer against it.
    @app.post("/predict")
    def predict(body: bytes = Body(media_type="image/jpeg")):
        return job.run_batch(session, [body])[0]

    return app


if __name__ == "__main__":
    uvicorn.run(build_app(), host="127.0.0.1", port=job.PORT, log_level="warning", access_log=False)
