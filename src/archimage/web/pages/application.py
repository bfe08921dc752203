"""The pages as one ASGI application. They read; what changes something goes through the management API."""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from archimage import __version__
from archimage.config_object_store import HOT
from archimage.errors import ArchimageError, NotAuthenticatedError
from archimage.logger import logger
from archimage.model import callers
from archimage.model.access import NOBODY
from archimage.model.listings import SeriesSummary, StudySummary
from archimage.services.catalogue import UNCOUNTED, Wanted
from archimage.services.query import FEW
from archimage.services.reports import STATUSES
from archimage.web import errors
from archimage.web.authenticated import to_login
from archimage.web.dicomweb.resources import SERVICE_ROOT
from archimage.web.hosts import address_of
from archimage.web.management import ApiServices
from archimage.web.measured import where
from archimage.web.ohif.adapting import ROOT as VIEWER_ROOT
from archimage.web.ohif.installed import Installation
from archimage.web.pages import login, opening, studies, texts
from archimage.web.pages.assets import ROOT, Assets
from archimage.web.pages.places import ADDRESSES, DEPARTMENT, NAVIGATION, PLAIN, SEGMENTS
from archimage.web.permitted import Permits

__all__ = ["ADDRESSES", "SEGMENTS", "Pages", "build"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
MAX_SERIES: Final = 1_000
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; "
    "frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_WITHOUT_PICTURE: Final = frozenset(
    {"SR", "KO", "PR", "RTSTRUCT", "RTPLAN", "RTRECORD", "REG", "ECG", "DOC", "AU", "HD"}
)
_GREY_MODALITIES: Final = frozenset({"CT", "MR", "CR", "DX", "MG", "PT", "NM", "XA", "RF"})
"""Modalities whose pixels nearly always are grey and uncompressed or can be had so: asked for before that is known."""
_UID: Final = re.compile(r"[0-9.]{1,64}", re.ASCII)
_THEME: Final = "archimage-theme"
"""Cookie of the choice between light and dark."""
_THEMES: Final = frozenset({"light", "dark"})
_PARTS: Final = {"list": "_studies.html", "totals": "_counted.html"}
"""What of the study list can be had alone: it while somebody types, and how long it is once that has been counted."""
_INSTALL: Final = (
    "Whoever runs this archive installs it with: archimage viewer install. The built-in viewer works without."
)
_LOOK: Final = "Look for it in the study list; it may have been deleted."
_log = logger("error")


More = Callable[[Request, StudySummary, Sequence[SeriesSummary]], dict[str, Any]]
"""Returns what else a template shows of a study's series."""


class Pages:
    """Writes the pages."""

    def __init__(self, services: ApiServices, assets: Assets, full_viewer: Installation, public_url: str) -> None:
        self._services = services
        self._full_viewer = full_viewer
        self._public_url = public_url
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(texts.FILTERS)
        self._templates.globals.update(
            asset=assets.address,
            version=__version__,
            has_picture=has_picture,
            navigation=NAVIGATION,
            department=DEPARTMENT,
        )
        self._templates.globals.update(page_size=studies.PAGE_SIZE, few=FEW, uncounted=UNCOUNTED)

    def study_list(self, request: Request) -> Response:
        """Write the study list, or that part of it which a search changes."""
        listing, catalogue = studies.read(request.query_params), self._services.catalogue
        part = request.query_params.get("part")
        found = catalogue.glance(listing.wanted) if part == "list" else catalogue.studies(listing.wanted)
        shown = {"listing": listing, "found": found}
        if part in _PARTS:
            return self.written(request, _PARTS[part], shown)
        more = {"labels": self._services.labels.counts(), "modalities": studies.MODALITIES}
        # Most lie in the hot tier, so that another one is offered first.
        more["tiers"] = sorted(self._services.study_jobs.tiers, key=lambda tier: tier == HOT)
        return self.written(request, "studies.html", shown | more)

    def study(self, request: Request) -> Response:
        """Write a study's page."""
        return self._of_study(request, "study.html", request.path_params["uid"], self._beside)

    def viewer(self, request: Request) -> Response:
        """Write the viewer."""
        return self._of_study(request, "viewer.html", request.query_params.get("study", ""), self._seen_first)

    def plain(self, request: Request) -> Response:
        """Write a page whose script asks the management API for all it shows."""
        return self.written(request, f"{request.url.path.strip('/')}.html", {"modalities": studies.MODALITIES})

    def problem(self, request: Request, status: HTTPStatus, message: str, next_step: str) -> Response:
        """Write what is wrong, and what to do next."""
        shown = {"status": status, "message": message, "next_step": next_step}
        return self.written(request, "problem.html", shown, status)

    def without_viewer(self, request: Request) -> Response:
        """Write what to do where the full viewer would be."""
        return self.problem(request, HTTPStatus.NOT_FOUND, "OHIF, the full viewer, is not installed here.", _INSTALL)

    def _beside(self, _request: Request, study: StudySummary, _shown: Sequence[SeriesSummary]) -> dict[str, Any]:
        """Return whether what is downloaded can be signed, what was reported, the legal hold, and the tiers."""
        reports = self._services.messaging.reports.of_study(study)
        hold = self._services.keeping.holds.get(study.study_instance_uid)
        signing = {"can_sign": self._services.signatures.can_sign}
        shares = self._services.keeping.tiers.shares(study.study_instance_uid)
        tiers = sorted(shares) if shares.keys() != {HOT} else []
        others = [tier for tier in self._services.study_jobs.tiers if shares.keys() != {tier}]
        lies = {"tiers": tiers, "other_tiers": others}
        return {**signing, **lies, "reports": reports, "statuses": STATUSES, "hold": hold}

    def _seen_first(self, request: Request, _study: StudySummary, shown: Sequence[SeriesSummary]) -> dict[str, Any]:
        """Return the instance that the viewer shows first, with its modality, for a browser to fetch it right away."""
        wished = request.query_params.get("series")
        pictured = [one for one in shown if has_picture([one.modality])]
        pictured.sort(key=lambda one: one.series_instance_uid != wished)
        for one in pictured[:1]:
            wanted = Wanted(sort="instance_number", limit=1)
            found = self._services.catalogue.instances(one.study_instance_uid, one.series_instance_uid, wanted)
            return {"grey": _GREY_MODALITIES, "modality": one.modality, "first": next(iter(found.items), None)}
        return {"grey": _GREY_MODALITIES, "modality": "", "first": None}

    def _of_study(
        self, request: Request, template: str, uid: str, more: More = lambda _request, _study, _series: {}
    ) -> Response:
        if not _UID.fullmatch(uid):
            return self.problem(request, HTTPStatus.NOT_FOUND, "There is no such study.", _LOOK)
        study = self._services.catalogue.study(uid)
        self._services.preparing.begin([uid])
        series = self._services.catalogue.series(uid, Wanted(sort="series_number", limit=MAX_SERIES))
        dicomweb = address_of(request.scope, self._public_url) + SERVICE_ROOT
        shown = {"study": study, "series": series, "labels": self._services.labels.counts()}
        programs = {"programs": opening.programs(dicomweb, uid)}
        return self.written(request, template, shown | programs | more(request, study, series.items))

    def written(
        self, request: Request, template: str, shown: dict[str, Any], status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        """Write a template, with what is shown in it."""
        theme = request.cookies.get(_THEME, "")
        caller, identity = callers.current(), self._services.identity
        principal = NOBODY if caller is None else caller.principal
        about = {
            "me": "" if principal.restriction else principal.user,
            "can_log_in": identity.has_users() or self._services.oidc is not None,
            "theme": theme if theme in _THEMES else "",
            "viewers": opening.Viewers(full=self._full_viewer.viewer() is not None),
        }
        text = self._templates.get_template(template).render(shown, **about)
        body = text.encode("utf-8", "replace")  # what peers send may hold half a surrogate pair
        return Response(body, status, _HEADERS, "text/html; charset=utf-8")


def has_picture(modalities: Sequence[str]) -> bool:
    """Tell whether there may be something to see of what has these modalities."""
    return not modalities or any(modality not in _WITHOUT_PICTURE for modality in modalities)


def build(services: ApiServices, permits: Permits, full_viewer: Installation, public_url: str) -> Starlette:
    """Make the application; it answers for the full viewer where that is not installed."""
    assets = Assets()
    pages = Pages(services, assets, full_viewer, public_url)
    page = partial(_page, pages, permits)
    application = Starlette(
        routes=[
            page("/", pages.study_list),
            page("/studies/{uid}", pages.study),
            page("/viewer", pages.viewer),
            *(page(path, pages.plain) for path in PLAIN),
            *(page(path, pages.without_viewer) for path in (VIEWER_ROOT, f"{VIEWER_ROOT}/{{path:path}}")),
            Route(f"{ROOT}/{{version}}/{{name}}", assets.serve, methods=["GET"]),
            *login.routes(services, pages.written, public_url),
        ],
        exception_handlers={HTTPException: _refusal(pages)},
    )
    application.router.redirect_slashes = False
    return application


def _page(pages: Pages, permits: Permits, path: str, write: Callable[[Request], Response]) -> Route:
    """Make the route of a page; it is written in a worker thread."""

    async def endpoint(request: Request) -> Response:
        try:
            await permits.enter(request.scope, path)
        except ArchimageError as error:
            return await run_in_threadpool(_told, pages, request, error)
        return await run_in_threadpool(_answered, pages, write, request)

    return Route(path, endpoint, methods=["GET"])


def _answered(pages: Pages, write: Callable[[Request], Response], request: Request) -> Response:
    """Write a page, or what went wrong."""
    try:
        return write(request)
    except Exception as error:
        return _told(pages, request, error)


def _told(pages: Pages, request: Request, error: Exception) -> Response:
    """Write what went wrong; whoever can log in for it is led there."""
    if isinstance(error, NotAuthenticatedError):
        return to_login(request.scope)
    message, next_step = errors.explain(error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, ArchimageError):
        status = errors.answer_to(error).status
    if status == HTTPStatus.NOT_FOUND:
        next_step = _LOOK
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("a page failed", **where(request.scope), status=int(status), exc_info=error)
    return pages.problem(request, status, message, next_step)


def _refusal(pages: Pages) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for these
        status = HTTPStatus(error.status_code)
        if status is not HTTPStatus.NOT_FOUND:
            return errors.of_framework(error, "Pages can only be read; /api/v1 changes things.")
        return pages.problem(request, status, "There is no page at this address.", "Begin at the study list.")

    return refuse
