"""What waits: queues, and the buffers between those who read and those who send."""

from typing import Final

from archimage import spans
from archimage.buffers import BUFFER_BYTES
from archimage.concurrency.entry import Entry
from archimage.imaging import pool
from archimage.index import opening
from archimage.net import associations, reading, transport
from archimage.net import server as dicom
from archimage.net.scp import outgoing
from archimage.observe.audit import forward, records, trail
from archimage.services import (
    audit_gathering,
    audit_messages,
    changes,
    deidentified,
    events,
    grouping,
    importing,
    intake,
    metadata,
    preparing,
    tasks,
    transcoding,
    uploads,
    ups_subscriptions,
)
from archimage.storage import journal
from archimage.web import protocol
from archimage.web import server as http
from archimage.web.api import events as followers
from archimage.web.dicomweb import ahead, answers, stow

_UNHEARD: Final = "The kernel leaves further attempts to connect unanswered, and TCP repeats them for the peer."
_REFUSED: Final = "Answered 503 with Retry-After."

QUEUES: Final = (
    Entry(
        "intake queue",
        "queue",
        'objects that wait to be made durable; `pacs_queue_depth{queue="intake"}`',
        "Of each association and request only so many objects are in it. Where the index is busy for more than "
        f"{opening.TIMEOUT_S:g} s, all that wait are refused: C-STORE with 0xA700, DICOMweb with 503.",
    ),
    Entry(
        "group commit",
        "limit",
        "objects that one flush makes durable",
        "More of them wait for the next group.",
        intake.GROUP,
    ),
    Entry(
        "group commit of work items",
        "limit",
        "changes of work items that one flush makes durable",
        "More of them wait for the next group.",
        grouping.MOST,
    ),
    Entry(
        "work items",
        "limit",
        "work items that are kept, those that are over among them",
        "Further ones are refused: 0x0213 over DIMSE, 507 over the web.",
        setting="ups.max_items",
    ),
    Entry(
        "events of work items",
        "queue",
        "events that wait for one subscriber who opens a WebSocket",
        "The oldest are forgotten, as are those older than ups.events_kept_hours.",
        setting="ups.max_events",
    ),
    Entry(
        "subscriptions to work items",
        "limit",
        "subscriptions, to single work items and to all",
        "Refused: 0x0213 over DIMSE, 507 over the web.",
        setting="ups.max_subscriptions",
    ),
    Entry(
        "subscriptions to all work items",
        "limit",
        "subscriptions to more than a single one: each event is kept for each of them",
        "Refused as those above.",
        ups_subscriptions.MAX_WIDE,
    ),
    Entry(
        "journal segments",
        "queue",
        "hold what was acknowledged and is not yet durable in its own place; each of storage.journal_segment_bytes",
        "Objects wait until a checkpoint gives a segment back; if it fails, they are refused: C-STORE with 0xA700.",
        journal.MAX_SEGMENTS,
    ),
    Entry(
        "journal segment",
        "limit",
        "small objects' bytes, and a record of each object; a checkpoint is made when it is full, or sooner",
        "The next segment is begun.",
        setting="storage.journal_segment_bytes",
        unit="bytes",
    ),
    Entry(
        "audit messages",
        "queue",
        'happenings that wait to be written to the audit journal; `pacs_queue_depth{queue="audit"}`',
        "Those that come are lost, which `/health`, the log and, once it can be written, the journal say. With "
        "audit.required nothing is taken, found or given from half of it on.",
        trail.MAX_WAITING,
    ),
    Entry(
        "audit group",
        "limit",
        "audit messages that one flush makes durable",
        "More of them wait for the next group.",
        trail.GROUP,
    ),
    Entry(
        "audit messages on their way",
        "limit",
        "audit messages that were sent, and do not count as delivered yet",
        "No more are sent until some do; the journal keeps them.",
        forward.MAX_SENT,
    ),
    Entry(
        "audit gathering",
        "queue",
        "studies of which an association or a client is just doing something, for one audit message",
        "The oldest is told at once; what is done after makes another message.",
        audit_gathering.MAX_GATHERED,
        harmless=True,
    ),
    Entry(
        "audit query",
        "limit",
        "how much of a query an audit message tells",
        "The rest is left out, and the message says how long it was.",
        audit_messages.MAX_IDENTIFIER_BYTES,
        unit="bytes",
    ),
    Entry(
        "audit failures named",
        "limit",
        "instances that an audit message names, of those with which it did not work",
        "Further ones are only counted.",
        audit_messages.MAX_NAMED,
        harmless=True,
    ),
    Entry(
        "audit record",
        "limit",
        "longest record of an audit journal that is read",
        "It counts as damaged; none is written that is so long.",
        records.MAX_LINE_BYTES,
        unit="bytes",
    ),
    Entry(
        "audit file",
        "limit",
        "size of a file of an audit journal",
        "The next file is begun; none is ever deleted.",
        setting="audit.file_bytes",
        unit="bytes",
    ),
    Entry(
        "spans",
        "queue",
        "what is traced and was not yet told to the collector, where tracing.exporter names one",
        "The oldest are dropped; nothing waits.",
        spans.WAITING,
        harmless=True,
    ),
    Entry(
        "spans of a trace",
        "limit",
        "spans within one association, web request or task",
        "Further ones are not told, and the span around them says so (`archimage.cut`).",
        spans.WITHIN,
        harmless=True,
    ),
    Entry(
        "pixel tasks",
        "queue",
        "images for which no pixel process is free; `pacs_pixel_tasks_waiting`",
        f"{_REFUSED} What is transcoded for a C-MOVE or C-GET counts as failed.",
        pool.MAX_WAITING,
    ),
    Entry(
        "background tasks",
        "queue",
        "tasks that wait or run",
        _REFUSED,
        tasks.WAITING,
    ),
    Entry(
        "background tasks remembered",
        "queue",
        "tasks that can be asked about, those that ended among them",
        "The oldest that have ended are forgotten; asking for them is answered 404.",
        tasks.KEPT,
        harmless=True,
    ),
    Entry(
        "changes",
        "queue",
        "corrections, merges and moves that wait or run; one is at work on an archive",
        _REFUSED,
        changes.AT_ONCE,
    ),
    Entry(
        "studies to prepare",
        "queue",
        "studies that somebody opened, whose metadata are made before a viewer asks",
        "No more are made ahead; the viewer waits a little longer.",
        preparing.MAX_WAITING,
    ),
    Entry(
        "event followers",
        "limit",
        "clients of /api/v1/events, pages that show what happens among them",
        _REFUSED,
        followers.MAX_FOLLOWERS,
    ),
    Entry(
        "events remembered",
        "queue",
        "events, from which every follower reads on where it was",
        "The oldest are forgotten; a follower that has not seen them is told `lost`, and reads its lists anew.",
        events.MEMORY,
        harmless=True,
    ),
    Entry(
        "ended associations",
        "queue",
        "associations that ended, with where their time went",
        "The oldest are forgotten; the log keeps a line of each.",
        associations.ENDED,
        harmless=True,
    ),
    Entry(
        "DICOM backlog",
        "queue",
        "connections that the kernel took and the server has not; never more than net.core.somaxconn",
        _UNHEARD,
        dicom.BACKLOG,
    ),
    Entry(
        "HTTP backlog",
        "queue",
        "the same of the HTTP port",
        _UNHEARD,
        http.BACKLOG,
    ),
    Entry(
        "receive buffers of an association",
        "queue",
        "what came of data sets and is not yet written",
        "The association is not read from until one is free; its peer sends slower.",
        2 * BUFFER_BYTES,
        unit="bytes",
    ),
    Entry(
        "send buffer of an association",
        "queue",
        "what is to be sent and the peer has not taken",
        "Whoever sends waits. A peer that takes nothing for dicom.idle_timeout_s is cut off.",
        transport.HIGH_WATER_BYTES,
        unit="bytes",
    ),
    Entry(
        "requests of an HTTP connection",
        "queue",
        "requests that came before those ahead of them were answered",
        "The one too many is answered 400, and the connection ends; no more is read while some wait.",
        protocol.MAX_PIPELINED,
    ),
    Entry(
        "objects of a STOW request",
        "queue",
        "objects that are being made durable",
        "No more of the request is read until one is answered.",
        stow.MAX_UNANSWERED,
    ),
    Entry(
        "threads of a STOW request",
        "limit",
        "of these objects, those that have a thread",
        "The others wait for one of these, so that other requests find threads.",
        stow.SUBMITTED_AT_ONCE,
    ),
    Entry(
        "objects of an upload",
        "queue",
        "objects that are being made durable",
        "No more of the upload is read until one is answered.",
        uploads.UNANSWERED,
    ),
    Entry(
        "objects opened ahead",
        "queue",
        "files of one C-MOVE, C-GET or sending that the disk fetches, in two groups",
        "No more are opened until a group was sent.",
        2 * reading.GROUP_ITEMS,
    ),
    Entry(
        "objects transcoded ahead",
        "queue",
        "the same, where some of them are transcoded or de-identified",
        "No more are begun until a group was sent.",
        2 * outgoing.MADE_AHEAD,
    ),
    Entry(
        "objects de-identified ahead",
        "queue",
        "objects of one copy or archive that are de-identified at once",
        "No more are begun until the first of them was stored or given.",
        deidentified.AHEAD,
    ),
    Entry(
        "frames in flight",
        "queue",
        "frames of one object that pixel processes transcode at once",
        "The next one waits for the first.",
        transcoding.FRAMES_IN_FLIGHT,
    ),
    Entry(
        "bytes in flight",
        "queue",
        "the same in bytes of pixels; of larger frames one is in flight",
        "The next frame waits for the first.",
        transcoding.BYTES_IN_FLIGHT,
        unit="bytes",
    ),
    Entry(
        "files opened ahead of an answer",
        "queue",
        "files of one web answer that the disk fetches",
        "No more are opened until one was sent.",
        answers.AHEAD,
    ),
    Entry(
        "parts made ahead of an answer",
        "queue",
        "frames and objects of one web answer that are made before its status is told",
        "The others are made while those are sent.",
        ahead.AHEAD_BYTES,
        unit="bytes",
    ),
    Entry(
        "headers read ahead",
        "queue",
        "files of a series whose metadata are being made",
        "No more are opened until one was read.",
        metadata.AHEAD,
    ),
    Entry(
        "members in flight",
        "queue",
        "members of one ZIP archive that are being imported",
        "No more are read until the first is stored.",
        4 * importing.THREADS,
    ),
)
