"""What a peer of the DICOM port may cost, and what a data set may, whichever door it comes through."""

from typing import Final

from archimage.concurrency.entry import Entry, unless_zero
from archimage.dicom import window
from archimage.dicom.limits import DEFAULT_LIMITS, MAX_FRAME_BYTES
from archimage.dicom.render import options
from archimage.imaging.process import WorkerSettings
from archimage.index import opening
from archimage.net import dispatch, peers, session
from archimage.net.scp import commitment
from archimage.protocol.settings import AssociationSettings
from archimage.services import (
    attributes,
    commitment_messages,
    commitments,
    identifiers,
    matching,
    objects,
    relevant_patient,
    worklist_entries,
    worklist_files,
)
from archimage.services import peers as asking

_OWN: Final = AssociationSettings("")
_TOO_LARGE: Final = "The object is refused, by C-STORE and in the answer to STOW-RS with 0xA700."
_INVALID: Final = "The object is refused, by C-STORE and in the answer to STOW-RS with 0xC000."
_EXCESSIVE_QUERY: Final = "C-FIND is answered 0xA700, C-MOVE and C-GET 0xA702."
_WRONG_QUERY: Final = "C-FIND, C-MOVE and C-GET are answered 0xA900, DICOMweb 400."
_ABORTED: Final = "The association is aborted (A-ABORT)."

ASSOCIATIONS: Final = (
    Entry(
        "associations",
        "limit",
        "open associations",
        "Rejected as transient (A-ASSOCIATE-RJ, local limit exceeded), so devices may try again; /activity says who.",
        setting="dicom.max_associations",
    ),
    Entry(
        "associations of one AE title",
        "limit",
        "open associations of the calling AE title that has most",
        "Rejected as transient (A-ASSOCIATE-RJ, temporary congestion); others are let in.",
        unless_zero("dicom", "max_associations_per_ae"),
        "dicom.max_associations_per_ae",
    ),
    Entry(
        "requests of one peer",
        "limit",
        "DIMSE requests each second of one user, or of one AE title at its address; ten seconds' worth at once",
        "Answered 0xA700 with the time to wait; an object is not kept.",
        unless_zero("access", "operations_per_s"),
        "access.operations_per_s",
    ),
    Entry(
        "pending connections",
        "limit",
        "connections that have not asked for an association yet",
        "The one that has been silent longest is cut without a word, and the new one is let in.",
        setting="dicom.max_pending_connections",
    ),
    Entry(
        "pending connections of one address",
        "limit",
        "the same, of the address that has most",
        "The one of this address that has been silent longest is cut without a word, and the new one is let in.",
        setting="dicom.max_pending_per_address",
    ),
    Entry(
        "TLS handshakes",
        "limit",
        "handshakes on the DICOM port with TLS; of one address as many as its pending connections",
        "The one that began first is dropped, and the new one is let in.",
        setting="dicom.max_pending_connections",
    ),
    Entry(
        "operations of an association",
        "limit",
        "operations that a peer may have outstanding, where it asks for more than one",
        "A peer is told, and may not send more. What one sends all the same is read later: the next two rows.",
        setting="dicom.max_operations",
    ),
    Entry(
        "objects of an association",
        "limit",
        "C-STOREs that came whole and are not answered",
        "The association is not read from until one is answered; its peer sends slower.",
        lambda config: session.most_stored(config.dicom.max_operations),
        "dicom.max_operations",
    ),
    Entry(
        "requests at work of an association",
        "limit",
        "C-FIND, C-MOVE, C-GET and C-ECHO that are being answered",
        "The association is not read from until fewer are.",
        session.MAX_RUNNING,
    ),
    Entry(
        "data sets at work of an association",
        "limit",
        "data sets of requests that are being answered, which are held in memory; objects of C-STORE are not",
        "The association is not read from until fewer are: a larger one is answered before another comes.",
        session.MAX_HELD_BYTES,
        unit="bytes",
    ),
    Entry(
        "large data sets of requests",
        "limit",
        f"what they have beyond {dispatch.MAX_IDENTIFIER_BYTES >> 20} MiB each, of all associations together",
        "Answered 0xA700; the same may be sent again.",
        dispatch.MAX_WHOLE_BYTES,
        unit="bytes",
    ),
    Entry(
        "P-DATA-TF",
        "limit",
        "length of what a peer may send at once; it is told",
        _ABORTED,
        setting="dicom.max_pdu_length",
        unit="bytes",
    ),
    Entry(
        "association request", "limit", "length of an A-ASSOCIATE-RQ", _ABORTED, _OWN.max_request_length, unit="bytes"
    ),
    Entry("command", "limit", "length of a command set", _ABORTED, _OWN.max_command_length, unit="bytes"),
    Entry(
        "wait for a request",
        "limit",
        "time for a whole association request, and for a peer to close",
        "The connection is cut.",
        setting="dicom.artim_timeout_s",
        unit="seconds",
    ),
    Entry(
        "silence of an association",
        "limit",
        "time without traffic while nothing is asked for, and for a peer to take what is sent",
        "The association is aborted (A-ABORT), and the connection closed.",
        setting="dicom.idle_timeout_s",
        unit="seconds",
    ),
    Entry(
        "answer to a sub-operation",
        "limit",
        "time in which a peer of a C-GET has to answer an instance",
        _ABORTED,
        session.SUB_OPERATION_TIMEOUT_S,
        unit="seconds",
    ),
    Entry(
        "object without a patient",
        "limit",
        "data set of a hanging protocol, a color palette and the like",
        "Answered 0xA700; nothing of it is kept.",
        objects.MAX_OBJECT_BYTES,
        unit="bytes",
    ),
    Entry(
        "objects without a patient at once",
        "limit",
        "those that are on their way in, together: they are held in memory",
        "Answered 0xA700, over DICOMweb a failure of that object; the same may be sent again.",
        objects.MAX_RECEIVED_BYTES,
        unit="bytes",
    ),
    Entry(
        "description of an object without a patient",
        "limit",
        "what is read of it to describe it: all but long binary values",
        "Answered 0xA700; nothing of it is kept.",
        objects.MAX_DESCRIBED_BYTES,
        unit="bytes",
    ),
    Entry(
        "objects of a commitment",
        "limit",
        "objects that one request for storage commitment names: fewer than these",
        "Answered 0x0213; nothing of the request is kept.",
        commitment_messages.MAX_REFERENCES,
    ),
    Entry(
        "objects whose commitment waits",
        "limit",
        "objects that one AE title has asked about and was not told of",
        "Answered 0x0213; nothing of the request is kept.",
        commitments.MAX_WAITING,
    ),
    Entry(
        "request for commitment",
        "limit",
        "data set of a request for storage commitment, or of its result",
        "Answered 0xA700; nothing of it is kept.",
        commitment.MAX_BYTES,
        unit="bytes",
    ),
    Entry(
        "grace",
        "limit",
        "time that running C-STOREs and web requests have when the archive is stopped",
        "Associations are aborted, web connections cut; what was not acknowledged is to be sent again.",
        setting="dicom.grace_s",
        unit="seconds",
    ),
    Entry(
        "answer of a node",
        "limit",
        "time for a node to answer C-ECHO or C-FIND of people here",
        "The page or request that asked is told so, with what to do.",
        peers.ASK_TIMEOUT_S,
        unit="seconds",
    ),
    Entry(
        "matches of a node",
        "limit",
        "matches that a node may answer a search with",
        "The search is cancelled (C-CANCEL); those that came are shown, and that there are more.",
        asking.MAX_MATCHES,
    ),
    Entry(
        "bytes of matches of a node", "limit", "the same in bytes", "As above.", peers.MAX_ANSWER_BYTES, unit="bytes"
    ),
)


QUERIES: Final = (
    Entry(
        "matches of a query",
        "limit",
        "matches that one query may return",
        "C-FIND sends so many, then 0xA700; DICOMweb answers so many, and a Warning says how many more there are.",
        setting="query.max_results",
    ),
    Entry(
        "studies that tell of a patient",
        "limit",
        "studies of a patient that a Relevant Patient Information Query looks at",
        "The newest are looked at.",
        relevant_patient.MAX_STUDIES,
    ),
    Entry(
        "entries of the worklist",
        "limit",
        "scheduled steps that are kept",
        "Further ones are refused, to people with 507; what has long expired makes room every hour.",
        setting="worklist.max_entries",
    ),
    Entry(
        "entry of the worklist",
        "limit",
        "length of one scheduled step",
        "It is refused.",
        worklist_entries.MAX_BYTES,
        unit="bytes",
    ),
    Entry(
        "files of the worklist",
        "limit",
        "worklist files of `worklist.directory`",
        "Further ones, by name, are not looked at.",
        worklist_files.MAX_FILES,
    ),
    Entry(
        "identifier",
        "limit",
        "length of what a C-FIND, C-MOVE or C-GET asks for",
        _EXCESSIVE_QUERY,
        dispatch.MAX_IDENTIFIER_BYTES,
        unit="bytes",
    ),
    Entry("keys of an identifier", "limit", "keys in it", _EXCESSIVE_QUERY, identifiers.MAX_KEYS),
    Entry(
        "depth of an identifier", "limit", "sequences inside one another in it", _EXCESSIVE_QUERY, identifiers.MAX_DEPTH
    ),
    Entry("values of a key", "limit", "values that one key lists", _WRONG_QUERY, matching.MAX_VALUES),
    Entry("wildcards of a key", "limit", "asterisks in one key", _WRONG_QUERY, matching.MAX_WILDCARDS),
    Entry("length of a key", "limit", "characters that one value has", _WRONG_QUERY, matching.MAX_KEY_LENGTH),
    Entry(
        "wait for the index",
        "limit",
        "time that a write waits for another process, or for the disk",
        "The write fails: C-STORE is answered 0xA700, the web 503.",
        opening.TIMEOUT_S,
        unit="seconds",
    ),
)

OBJECTS: Final = (
    Entry("depth of a data set", "limit", "sequences inside one another", _INVALID, DEFAULT_LIMITS.max_depth),
    Entry("elements of a data set", "limit", "elements, items and fragments", _TOO_LARGE, DEFAULT_LIMITS.max_elements),
    Entry(
        "value of a data set",
        "limit",
        "length of a value that the index keeps, and of an offset table",
        _TOO_LARGE,
        DEFAULT_LIMITS.max_value_bytes,
        unit="bytes",
    ),
    Entry(
        "header held of a data set",
        "limit",
        "what is kept in memory of it while it is received",
        "What comes after is scanned all the same, and dropped but for what the index keeps.",
        DEFAULT_LIMITS.max_header_bytes,
        unit="bytes",
    ),
    Entry(
        "inflated data set",
        "limit",
        "length of a deflated data set once it is inflated",
        _TOO_LARGE,
        DEFAULT_LIMITS.max_inflated_bytes,
        unit="bytes",
    ),
    Entry(
        "ratio of a deflated data set",
        "limit",
        "inflated to deflated bytes",
        _TOO_LARGE,
        DEFAULT_LIMITS.max_inflate_ratio,
    ),
    Entry(
        "fragments noted of an object",
        "limit",
        "fragments of pixel data whose places are noted in the index",
        "The object is stored; where its frames lie is looked up in the file when somebody asks.",
        attributes.MAX_FRAGMENTS,
    ),
    Entry(
        "element looked at",
        "limit",
        "length of an element that is changed, or written as metadata, as a whole",
        "What was asked for fails: DICOMweb answers 413.",
        window.MAX_WINDOW_BYTES,
        unit="bytes",
    ),
    Entry(
        "decoded frame",
        "limit",
        "length of a frame once it is decoded",
        "The image is not shown and not transcoded: 406, with the stored form to be had.",
        MAX_FRAME_BYTES,
        unit="bytes",
    ),
    Entry(
        "answer of a pixel process",
        "limit",
        "length of what one task gives back",
        "The process is killed, and the image answered 406.",
        WorkerSettings().max_answer_bytes,
        unit="bytes",
    ),
    Entry(
        "time of a pixel process",
        "limit",
        "time for the largest frame; small ones have less",
        "The process is killed and replaced, and the image answered 406.",
        setting="pixels.timeout_s",
        unit="seconds",
    ),
    Entry(
        "memory of a pixel process",
        "limit",
        "address space of one process",
        "The task fails and the image is answered 406; the process is replaced.",
        setting="pixels.memory_bytes",
        unit="bytes",
    ),
    Entry("side of a picture", "limit", "pixels of a viewport, across and down", "Answered 400.", options.MAX_SIDE),
    Entry("pixels of a picture", "limit", "pixels of a viewport in all", "Answered 400.", options.MAX_PIXELS),
)
