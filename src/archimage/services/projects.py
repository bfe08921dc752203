"""Stored objects without those whom they are about, for projects: as they come out, or as a receiver takes them.

What an object is de-identified by is looked up for each: the secret of its project, the options, the rules of the
settings. The libraries that it takes are loaded with the first object.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from archimage.dicom.deidentify.options import Option, parse_options
from archimage.errors import ContextNotAcceptedError, NotAcceptableError
from archimage.model.projects import Purpose, check_project
from archimage.model.records import StoredInstance
from archimage.ports.pixels import PixelWork
from archimage.ports.storage import DerivedFiles
from archimage.services.frames import FrameService
from archimage.services.transcoding import TranscodingService, substitutes
from archimage.services.unindexed import Lending, NoIndex

if TYPE_CHECKING:
    from archimage.dicom.deidentify.objects import Profile
    from archimage.dicom.deidentify.regions import RegionRule
    from archimage.services.deidentification import DeidentificationService, Deidentified
    from archimage.services.faces import Faces

SecretOf = Callable[[str], bytes]
"""Returns the secret of a project, made if there was none."""


class ProjectService:
    """De-identifies stored objects; all of it blocks, and may be called from several threads."""

    def __init__(self, frames: FrameService, work: PixelWork, files: DerivedFiles, secret_of: SecretOf) -> None:
        self._frames = frames
        self._work = work
        self._files = files
        self._secret_of = secret_of
        self.rules: Sequence[RegionRule] = ()
        """Which regions are blanked, by device."""

    def faces(self, instances: Sequence[StoredInstance], purpose: Purpose) -> "Faces | None":
        """Return what knows the faces of whole series; None where they stay.

        Raises:
            InvalidRequestError: the project or the options cannot be.
        """
        if Option.CLEAN_VISUAL_FEATURES not in checked(purpose):
            return None
        from archimage.services.faces import Faces

        return Faces(self._frames, self._work, instances)

    def deidentify(self, instance: StoredInstance, purpose: Purpose, faces: "Faces | None" = None) -> "Deidentified":
        """Return a copy of an object without its identifiers, open until its file is closed.

        faces are those of its series, without which it keeps its own or is refused.

        Raises:
            InvalidRequestError: the project or the options cannot be.
            StorageError: the secret of the project cannot be read.
            NotAcceptableError: it cannot be made safe; raises what else `DeidentificationService` raises.
        """
        profile = self._profile(purpose)
        if faces is not None:
            profile = replace(profile, shell=faces.of(instance))
        return self._service.deidentify(instance, profile)

    def given(self, instance: StoredInstance, purpose: Purpose, accepted: Collection[str]) -> "Deidentified":
        """Return the same in one of the accepted transfer syntaxes, without loss.

        Raises:
            ContextNotAcceptedError: there is no way to any of them.
            ArchimageError: what `deidentify` raises, and `TranscodingService.transcode`.
        """
        made = self.deidentify(instance, purpose)
        try:
            if made.instance.sop_class_uid != instance.sop_class_uid:
                raise NotAcceptableError("its SOP class is one of a maker's own, which stands for another now")
            if made.instance.transfer_syntax_uid in accepted:
                return made
            target = next(iter(substitutes(made.instance.transfer_syntax_uid, accepted)), None)
            if target is None:
                raise ContextNotAcceptedError(
                    f"SOP class {instance.sop_class_uid} is taken in no transfer syntax that it could be given in"
                )
        except BaseException:
            made.file.close()
            raise
        return self._transcoded(made, target)

    def _transcoded(self, made: "Deidentified", target: str) -> "Deidentified":
        lending = Lending(made.file)
        try:
            frames = FrameService(NoIndex(), lending)
            other = TranscodingService(frames, self._work, self._files).transcode(made.instance, target)
        finally:
            lending.close()
        size, offset = other.file.size_bytes, other.data_set_offset
        described = replace(made.instance, transfer_syntax_uid=target, size_bytes=size, data_set_offset=offset)
        return replace(made, file=other.file, instance=described)

    def _profile(self, purpose: Purpose) -> "Profile":
        from archimage.dicom.deidentify.objects import Profile
        from archimage.dicom.deidentify.pseudonyms import Pseudonyms

        return Profile(checked(purpose), Pseudonyms(self._secret_of(purpose.project)), self.rules)

    @cached_property
    def _service(self) -> "DeidentificationService":
        from archimage.services.deidentification import DeidentificationService

        return DeidentificationService(self._frames, self._work, self._files)


def checked(purpose: Purpose) -> frozenset[Option]:
    """Return the options of a purpose.

    Raises:
        InvalidRequestError: the name of the project is none, or there are no such options, or they cannot go together.
    """
    check_project(purpose.project)
    return parse_options([*purpose.options, *(() if purpose.keep_pixels else (Option.CLEAN_PIXEL_DATA,))])
