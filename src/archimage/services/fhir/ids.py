"""The ids of resources: they stay the same, name nothing that they need not, and can be looked up.

A study goes by its UID. A patient goes by the hash of his Patient ID that Orthanc's paths use too, so that it is found
in the table `hashed`, and where an issuer is told by a hash of that: one ID of two issuers is two patients. Strangers
without a Patient ID are no Patient.
"""

import re
from hashlib import sha256
from typing import Any, Final

from archimage.model.hashed import Named

Resource = dict[str, Any]
"""A resource, or a part of one, as JSON."""
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_ISSUER_DIGITS: Final = 16


def is_id(text: str) -> bool:
    """Tell whether text has the form of an id."""
    return _ID.fullmatch(text) is not None


def id_of_patient(patient_id: str, issuer: str) -> str:
    """Return the id of a patient; empty where there is no Patient ID."""
    if not patient_id:
        return ""
    named = Named((patient_id,)).hashed_id
    return f"{named}.{_of_issuer(issuer)}" if issuer else named


def hashed_part(patient: str) -> str:
    """Return what of a patient's id is looked up."""
    return patient.partition(".")[0]


def is_of_issuer(patient: str, issuer: str) -> bool:
    """Tell whether a patient's id is that of an issuer, empty where none is told."""
    return patient.partition(".")[2] == (_of_issuer(issuer) if issuer else "")


def _of_issuer(issuer: str) -> str:
    return sha256(issuer.encode("utf-8", "replace")).hexdigest()[:_ISSUER_DIGITS]
