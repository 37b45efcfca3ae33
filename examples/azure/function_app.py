"""The same on Azure Functions: the host receives the jobs, and scales by them. ``func start`` runs it."""

from __future__ import annotations

import json

import azure.functions as func
from flowcraft_azure.functions import FunctionHandlers
from parcel_place import make_adapter

app = func.FunctionApp()
handlers = FunctionHandlers(make_adapter, function_timeout=300.0)  # as host.json has it


@app.queue_trigger(arg_name="message", queue_name="%FLOWCRAFT_QUEUE%", connection="AZURE_STORAGE_CONNECTION_STRING")
async def work(message: func.QueueMessage) -> None:
    """Work on a job."""
    await handlers.work(message)


@app.queue_trigger(
    arg_name="message", queue_name="%FLOWCRAFT_QUEUE%-poison", connection="AZURE_STORAGE_CONNECTION_STRING"
)
async def work_on_poison(message: func.QueueMessage) -> None:
    """Work a last time on a job that the host has given up."""
    await handlers.work_on_poison(message)


@app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
async def reconcile(timer: func.TimerRequest) -> None:
    """Look at runs that nobody works on, once a minute."""
    await handlers.reconcile(timer)


@app.route(route="parcels", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def send(request: func.HttpRequest) -> func.HttpResponse:
    """Start a run with ``{"address": ..., "items": [...]}``."""
    adapter = await handlers.adapter()
    started = await adapter.client.start("parcel", request.get_json())
    return func.HttpResponse(json.dumps({"run": started.run_id}), status_code=202, mimetype="application/json")
