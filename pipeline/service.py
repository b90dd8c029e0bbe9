"""The Bento's service: BentoML's packaging and operations around the application of `serving`.

`bentoml serve` runs this. The image runs the same application without BentoML's layers, which take
three quarters of the time of a request (decision 10).
"""

from functools import cache
from pathlib import Path
from typing import Final

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.serving import app, model

# Beside the code, as the Bento carries it.
PACKAGE: Final = Path(__file__).parents[1] / "package"


@cache
def _application() -> ASGIApp:
    return app.create(model.load(PACKAGE), app.Lifecycle())


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as the image does."""
    await _application()(scope, receive, send)


@bentoml.asgi_app(application)
@bentoml.service(name="heart_disease", workers=1)
class HeartDisease:
    """Answers as the image does; not a medical device."""

    def __init__(self) -> None:
        """Verify the package and open its model before the first request."""
        _application()
