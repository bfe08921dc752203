"""What FHIR is bounded by."""

from typing import Final

from archimage.concurrency.entry import Entry
from archimage.services.fhir import archive, hooks, reports, searching, subscriptions, watching
from archimage.web.fhir import bundles, calls

_WRONG: Final = "Answered 400."
_FULL: Final = "Answered 507."

FHIR: Final = (
    Entry(
        "resources of a page",
        "limit",
        "resources that a page of a FHIR search has, whatever `_count` says",
        "The rest comes with the next page.",
        bundles.MAX_PAGE,
    ),
    Entry(
        "instances of a page",
        "limit",
        "instances that a page of ImagingStudy resources tells of, unless one study has more",
        "The rest comes with the next page.",
        archive.MAX_INSTANCES,
    ),
    Entry("values of a FHIR parameter", "limit", "values with commas between", _WRONG, searching.MAX_VALUES),
    Entry(
        "body of a FHIR request",
        "limit",
        "length of a resource that a client sends",
        "Answered 413.",
        calls.MAX_BODY_BYTES,
        unit="bytes",
    ),
    Entry("depth of a resource", "limit", "objects and lists within each other", _WRONG, calls.MAX_DEPTH),
    Entry("FHIR reports", "limit", "DiagnosticReport resources that are kept", _FULL, reports.MAX_KEPT, shared=True),
    Entry("studies of a report", "limit", "studies that one report is about", _WRONG, reports.MAX_STUDIES),
    Entry(
        "studies of a patient's reports",
        "limit",
        "studies of a patient whose reports by HL7 a search by patient looks for",
        "Reports of the newest studies are found.",
        archive.MAX_STUDIES,
    ),
    Entry(
        "patients of a search for reports",
        "limit",
        "patients whose reports by HL7 one search looks for",
        "Reports by HL7 of the first patients are found.",
        reports.MAX_PATIENTS,
    ),
    Entry(
        "subscriptions",
        "limit",
        "Subscription resources that are kept",
        _FULL,
        subscriptions.MAX_SUBSCRIPTIONS,
        shared=True,
    ),
    Entry("headers of a subscription", "limit", "headers that its calls have", _WRONG, hooks.MAX_HEADERS),
    Entry("length in a subscription", "limit", "characters of criteria, address, header", _WRONG, hooks.MAX_LENGTH),
    Entry(
        "studies to tell of",
        "limit",
        "studies that grew, and are noted in one look, for subscribers",
        "The next look, a second later, notes the rest.",
        watching.MAX_STUDIES,
    ),
)
WATCH: Final = Entry(
    "fhir-watch", "threads", "looks for studies that subscribers are to be told of", "Each look waits for the last.", 1
)
