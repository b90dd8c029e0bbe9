"""MLflow's server as `mlflow server` runs it, for a process that has imported it already."""

import uvicorn
from mlflow.server import fastapi_app, handlers

HOST = "127.0.0.1"


def serve(database, port):
    """Serve ``database`` at ``port``, with one worker."""
    root = "mlflow-artifacts:/"
    handlers.initialize_backend_stores(database, database, root)
    uvicorn.run(fastapi_app.app, host=HOST, port=port, log_level="warning")
