"""What clients send, validated by `fhir.resources`: whether it is a resource of FHIR R4B at all."""

from typing import Final

import orjson

from archimage.errors import InvalidRequestError
from archimage.services.fhir.ids import Resource

_TOLD: Final = 5
"""Faults that are told of one resource."""


def validated(resource: Resource, kind: str) -> Resource:
    """Return a resource as it was understood, without what has no value.

    Raises:
        InvalidRequestError: it is no valid resource of the kind; what is wrong with it is told.
    """
    from fhir.resources.R4B import get_fhir_model_class  # its models take half a second, and only writing needs them
    from pydantic import ValidationError

    try:
        found: Resource = orjson.loads(get_fhir_model_class(kind).model_validate(resource).model_dump_json())
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:_TOLD]]
        raise InvalidRequestError(f"this is no valid {kind}: {'; '.join(faults)[:1_000]}") from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise InvalidRequestError(f"this is no valid {kind}: {str(error)[:200]}") from None
    return found
