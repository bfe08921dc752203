"""`/system`, `/statistics` and `/modalities`."""

from typing import Final

from starlette.types import ASGIApp

from archimage import __version__
from archimage.web.orthanc.calls import Call, Endpoint, answer

_FOLLOWED: Final = "1.12.0"
"""The version of Orthanc whose answers are given here, and that of its interface."""
_API_VERSION: Final = 20


async def _system(call: Call) -> ASGIApp:
    status = await call.run(call.services.management.status.get)
    return answer(
        {
            "ApiVersion": _API_VERSION,
            "ArchimageVersion": __version__,
            "CheckRevisions": False,
            "DatabaseBackendPlugin": None,
            "DatabaseVersion": 6,
            "DicomAet": status.ae_title,
            "DicomPort": status.dicom_port,
            "HttpPort": status.http_port,
            "IsHttpServerSecure": False,
            "Name": "archimage",
            "PluginsEnabled": False,
            "StorageAreaPlugin": None,
            "Version": _FOLLOWED,
        }
    )


async def _statistics(call: Call) -> ASGIApp:
    counts = await call.run(call.services.management.status.counts)
    size = await call.run(call.services.management.status.stored_bytes)
    sizes = {f"Total{kind}Size": size for kind in ("Disk", "Uncompressed")}
    return answer(
        {
            "CountInstances": counts.instances,
            "CountPatients": counts.patients,
            "CountSeries": counts.series,
            "CountStudies": counts.studies,
            **{name: str(value) for name, value in sizes.items()},
            **{f"{name}MB": value >> 20 for name, value in sizes.items()},
        }
    )


async def _modalities(call: Call) -> ASGIApp:
    nodes = await call.run(call.services.management.nodes.all)
    if not call.is_set("expand"):
        return answer([node.ae_title for node in nodes])
    return answer({node.ae_title: {"AET": node.ae_title, "Host": node.host, "Port": node.port} for node in nodes})


async def _echo(call: Call) -> ASGIApp:
    await call.body()
    await call.run(call.services.management.peers.echo, call.variable("name"))
    return answer({})


ENDPOINTS: Final = (
    Endpoint("GET", "/system", _system),
    Endpoint("GET", "/statistics", _statistics),
    Endpoint("GET", "/modalities", _modalities, ("expand",)),
    Endpoint("POST", "/modalities/{name}/echo", _echo),
)
