"""What an archive works with, made of its settings."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from archimage.config import Config
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.services.signatures import Trust
from archimage.storage.cache import FilesystemCache

if TYPE_CHECKING:
    from archimage.dicom.deidentify.regions import RegionRule


def trust_of(config: Config) -> Trust:
    """Read who is trusted to sign, and who signs; ConfigError where a file cannot be used."""
    settings, directory = config.signatures, config.storage.directory
    if not (settings.authorities or settings.certificate):
        return Trust()
    from archimage.dicom.signers import Signer, read_certificates  # takes a while to import, and few need it

    return Trust(
        read_certificates(directory / settings.authorities) if settings.authorities else (),
        Signer.read(directory / settings.key, directory / settings.certificate) if settings.certificate else None,
    )


def worker_pool(config: Config) -> WorkerPool:
    """Make what decodes and encodes pixels, in processes of its own."""
    pixels = config.pixels
    settings = WorkerSettings(timeout_s=pixels.timeout_s, memory_bytes=pixels.memory_bytes)
    return WorkerPool(pixel_workers(config), settings)


def pixel_workers(config: Config) -> int:
    """Return how many worker processes there may be: as many as cores, unless the settings say otherwise."""
    return config.pixels.workers or os.cpu_count() or 1


def region_rules(config: Config) -> "Sequence[RegionRule]":
    """Read the rules of regions to blank, if there are any; ConfigError where they cannot be read."""
    if not config.deidentification.rules:
        return ()
    from archimage.dicom.deidentify.regions import read_rules  # with pydicom, which a start does without

    return read_rules(config.storage.directory / config.deidentification.rules)


def caches_of(config: Config) -> tuple[FilesystemCache, FilesystemCache]:
    """Return the caches of metadata and of objects in other transfer syntaxes, without what a crash has left."""
    directory = config.storage.directory / "cache"
    metadata = FilesystemCache(directory / "metadata", config.storage.metadata_cache_bytes)
    transcoded = FilesystemCache(directory / "transcoded", config.pixels.cache_bytes)
    metadata.clean()
    transcoded.clean()
    return metadata, transcoded
