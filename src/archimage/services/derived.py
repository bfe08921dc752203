"""What the archive keeps of stored objects beside them, and how nothing of it outlives them.

Whoever removes or replaces an object forgets what was made of it, before and after that can be seen in the index.
Whoever makes something looks at the index after it was kept, and drops it if the object is there no more. So one of the
two comes last, in whichever processes they are.
"""

from hashlib import blake2b

import xxhash

from archimage.ports.storage import DerivedCache, DerivedFiles

_DIGEST_BYTES = 20


def series_name(study_instance_uid: str, series_instance_uid: str = "") -> str:
    """Return the name of a series' metadata; without series the beginning that all of a study have in common."""
    uids = (uid.encode() for uid in (study_instance_uid, series_instance_uid) if uid)
    return "".join(map(xxhash.xxh3_128_hexdigest, uids))


def object_name(sop_instance_uid: str, form: bytes = b"") -> str:
    """Return the name of an object in some form; without one the beginning that all of its forms have in common."""
    start = xxhash.xxh3_128_hexdigest(sop_instance_uid.encode())
    return start + blake2b(form, digest_size=_DIGEST_BYTES).hexdigest() if form else start


class Derived:
    """Forgets what was made of objects: the metadata of their series, and the objects in other transfer syntaxes.

    All of it raises StorageError where the disk refuses to delete.
    """

    def __init__(self, metadata: DerivedCache, transcoded: DerivedFiles) -> None:
        self._metadata = metadata
        self._transcoded = transcoded

    def forget_metadata(self, study_instance_uid: str, series_instance_uid: str = "") -> None:
        """Forget the metadata of a series, or of all series of a study."""
        self._metadata.remove(series_name(study_instance_uid, series_instance_uid))

    def forget_object(self, sop_instance_uid: str) -> None:
        """Forget the forms of an object."""
        self._transcoded.remove(object_name(sop_instance_uid))

    def forget_all(self) -> None:
        """Forget whatever there is, of objects that nobody knows any more too."""
        self._metadata.clear()
        self._transcoded.clear()
