"""Threads and processes."""

from typing import Final

from archimage import app
from archimage.concurrency import sizes
from archimage.concurrency.entry import Entry
from archimage.services import commitments, deliveries, importing, tasks, uploads, ups
from archimage.storage import lanes
from archimage.web import probes
from archimage.web.server import FRAMEWORK_THREADS

_IN_TURN: Final = "wait for a thread, in the order in which they came; nothing is refused."


THREADS: Final = (
    Entry(
        "event loop",
        "threads",
        "speaks DICOM and HTTP; nothing that blocks is done in it",
        "Everything of this process is answered later. With dicom.workers there are more processes, each with a loop.",
        1,
    ),
    Entry(
        "index-watch",
        "threads",
        "asks PostgreSQL whether it is there, for those who wait for its answer",
        "They are asked for one after the other, each for 2 s at most.",
        1,
    ),
    Entry(
        "ingest",
        "threads",
        "scan and write the larger objects that come over associations",
        "What comes of other objects waits in the buffers of its association; when these are full it is not read from, "
        "and the peer sends slower.",
        sizes.INGEST_THREADS,
    ),
    Entry("read", "threads", "C-FIND, and reading for C-MOVE and C-GET", f"Requests {_IN_TURN}", sizes.READ_THREADS),
    Entry("web", "threads", "DICOMweb and Orthanc's paths", f"Requests {_IN_TURN}", sizes.WEB_THREADS),
    Entry(
        "image",
        "threads",
        "web requests that wait for pixel processes",
        f"Requests {_IN_TURN}",
        sizes.IMAGE_THREADS,
        formula="2 x cores + 2",
    ),
    Entry(
        "pages",
        "threads",
        "pages, the management API, uploads, and files of OHIF",
        f"Requests {_IN_TURN}",
        FRAMEWORK_THREADS,
    ),
    Entry(
        "default",
        "threads",
        "probes and metrics; whether users of associations are who they say",
        f"They {_IN_TURN} A probe that is not answered in {probes.TIMEOUT_S:g} s says that it failed.",
        sizes.DEFAULT_THREADS,
        formula="cores + 4, at most 32",
    ),
    Entry(
        "tasks",
        "threads",
        "background tasks: sending, retrieving, deleting, unpacking, changing, de-identifying",
        "Tasks wait, which /activity shows; see background tasks.",
        tasks.THREADS,
    ),
    Entry(
        "deliver",
        "threads",
        "tell others what they are to be told: nodes, subscribers",
        "Deliveries wait in the index, until they are due and a thread is free.",
        deliveries.THREADS,
    ),
    Entry(
        "workitems",
        "threads",
        "work items over DIMSE; those that change something wait for one flush together",
        f"Requests {_IN_TURN}",
        ups.THREADS,
    ),
    Entry(
        "forgetting work items",
        "threads",
        "looks each minute for work items and their events that are due to be forgotten",
        "They are forgotten a little later.",
        1,
    ),
    Entry(
        "worklist files",
        "threads",
        "looks at the files of `worklist.directory`, where one is set",
        "New files are taken a little later.",
        1,
    ),
    Entry(
        "commit",
        "threads",
        "look at objects that storage commitment is asked for, a transaction each",
        "Transactions wait in the index, until a thread is free.",
        commitments.THREADS,
    ),
    Entry(
        "transcode",
        "threads",
        "objects that C-MOVE, C-GET and sending transcode; they wait for pixel processes",
        f"Objects {_IN_TURN}",
        app.TRANSCODING_THREADS,
    ),
    Entry(
        "deidentify",
        "threads",
        "objects that are de-identified, for copies, archives and nodes; they wait for pixel processes and the disk",
        f"Objects {_IN_TURN}",
        app.DEIDENTIFYING_THREADS,
    ),
    Entry(
        "upload",
        "threads",
        "finish and store the DICOM files of uploads",
        f"Files {_IN_TURN}",
        uploads.THREADS,
    ),
    Entry("peer-read", "threads", "reading for what people send to nodes", f"Objects {_IN_TURN}", app.PEER_THREADS),
    Entry(
        "peer-write",
        "threads",
        "storing what people bring from nodes by C-GET",
        f"Objects {_IN_TURN}",
        app.PEER_THREADS,
    ),
    Entry(
        "import",
        "threads",
        "store the members of one uploaded ZIP archive; each archive that is unpacked has its own",
        "Members wait; of one archive no more than four a thread are read ahead.",
        importing.THREADS,
    ),
    Entry(
        "intake",
        "threads",
        "makes objects durable, group by group",
        "Objects gather for the next group, which shares one flush; see the intake queue.",
        1,
    ),
    Entry(
        "checkpoint",
        "threads",
        "makes durable in its own place what the journal holds, and gives its segments back",
        "Segments are not given back in time; see journal segments.",
        1,
    ),
    Entry(
        "compression",
        "threads",
        "compresses by storage.compress; in one process of an archive, and in none where no rule is set",
        "Objects stay as they came until it is their turn; the index remembers them.",
        lambda config: int(bool(config.storage.compress)),
        "storage.compress",
        shared=True,
    ),
    Entry(
        "scrubbing",
        "threads",
        "reads stored objects again and compares them with what came; at work in one process of an archive at a time",
        "The round takes longer; the next one begins later.",
        lambda config: int(bool(config.scrub.every_days)),
        "scrub.every_days",
    ),
    Entry(
        "removal",
        "threads",
        "deletes the files of large removals",
        "Files go later; nobody finds their objects any more, but they take up room.",
        1,
    ),
    Entry(
        "replacement",
        "threads",
        "deletes files that another form has replaced",
        "Files go later; they take up room.",
        1,
    ),
    Entry(
        "retention",
        "threads",
        "writes when studies were looked at, sums up the quota, carries rules of retention out",
        "Runs of the rules take turns, in one process of an archive; what it writes, it writes later.",
        1,
    ),
    Entry("prepare", "threads", "makes ready what a viewer asks for next", "See studies to prepare.", 1),
    Entry("figures", "threads", "counts what came in", "The System page tells the figures of a while ago.", 1),
    Entry(
        "peers",
        "threads",
        "the event loop of everything that people have nodes do",
        "It shares its time among all; nothing is refused.",
        1,
    ),
    Entry(
        "audit",
        "threads",
        "makes audit messages and writes them to the journal",
        "Messages wait; see audit messages.",
        1,
    ),
    Entry(
        "audit-forward",
        "threads",
        "sends the audit journals to audit.repository, in one process of an archive",
        "Messages go later; the journals keep them.",
        lambda config: int(bool(config.audit.repository)),
        "audit.repository",
        shared=True,
    ),
    Entry(
        "server processes",
        "processes",
        "equal processes on the same ports, over which the kernel spreads connections",
        "One that ends by itself is replaced within about a second; the others serve on.",
        setting="dicom.workers",
        shared=True,
    ),
    Entry(
        "pixel processes",
        "processes",
        "decode, encode and render; started when there is work",
        "Images wait; see pixel tasks.",
        app.pixel_workers,
        "pixels.workers",
        formula="cores",
    ),
    Entry(
        "processes that write",
        "processes",
        "servers and imports that may write to one archive at once, each with a lane",
        "Another one does not start, and says so.",
        lanes.MAX_LANES,
        shared=True,
    ),
)
