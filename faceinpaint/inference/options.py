"""What a bulk restoration is asked to do, and whether that can be right: told before torch or Ray is imported."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from faceinpaint.claim import check_apart
from faceinpaint.data.growth import Grow
from faceinpaint.data.mask_spec import MaskSpec, absolute_masks, parse_masks
from faceinpaint.data.masks import Squares
from faceinpaint.data.places import check_source, is_parquet
from faceinpaint.data.user_masks import Frame, Polarity
from faceinpaint.errors import InputError
from faceinpaint.models.find_weights import fetched, find_weights
from faceinpaint.names import FixedPrecision
from faceinpaint.storage import absolute, as_text, exists, folder_links, join

if TYPE_CHECKING:
    from faceinpaint.photos.credentials import Credentials

LINKS_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Options:
    """How bulk restoration works; the fields are the flags of ``faceinpaint restore``."""

    input: str
    masks: str
    output: str
    weights: str | None = None  # None: what $FACEINPAINT_WEIGHTS names
    workers: int | None = None  # model processes; 0: all in this process, as with None up to 32 pictures; else 2
    cpus_per_worker: float = 1  # threads of one process wait for each other when a decoder takes a core
    gpus_per_worker: float = 0
    precision: FixedPrecision = "fp32"
    mask_polarity: Polarity | None = None
    mask_frame: Frame = "auto"
    grow_holes: Grow = "auto"  # pixels
    sensitivity: float = 0.5  # of masks "detect": 0 marks least, 1 most
    no_face: Literal["skip", "classical", "crop"] = "classical"
    format: Literal["keep", "png"] = "keep"
    keep_masks: bool = False
    credentials_certificate: str | None = None  # PEM files that sign the outputs, both or none
    credentials_key: str | None = None
    dry_run: bool = False
    retry_failed: bool = False

    def with_full_paths(self) -> Options:
        """The same, meaning the same in every process."""
        return replace(
            self,
            input=absolute(self.input),
            masks=absolute_masks(self.masks),
            output=absolute(self.output),
            weights=find_weights(self.weights),
            credentials_certificate=self.credentials_certificate and absolute(self.credentials_certificate),
            credentials_key=self.credentials_key and absolute(self.credentials_key),
        )

    @property
    def credentials(self) -> Credentials | None:
        """Who signs the outputs."""
        if self.credentials_certificate is None or self.credentials_key is None:
            return None
        from faceinpaint.photos.credentials import Credentials  # with its decoders it takes half a second

        return Credentials(certificate=self.credentials_certificate, key=self.credentials_key)


def check_options(options: Options) -> MaskSpec:
    """The masks that options name. Raises :class:`InputError` for what can be seen to be wrong by a quick look."""
    check_places(options.input, options.output, options.weights)
    masks = parse_masks(options.masks)
    if isinstance(masks, Squares):
        from faceinpaint.models.weights import load_config  # torch takes seconds

        masks.check(load_config(find_weights(options.weights)).image_size)
    if is_parquet(options.input) and options.keep_masks:
        raise InputError("`keep_masks` writes files beside files: with Parquet, keep the masks you gave")
    _check_credentials(options)
    return masks


def check_places(input: str, output: str, weights: str | None) -> None:
    """Raises :class:`InputError` for an input that is not there, one that lies in the output or holds it, and a folder
    that is none of weights."""
    check_source(input)
    weights = find_weights(weights)
    if not exists(join(fetched(weights), "config.yaml")):
        raise InputError(f"{weights} has no config.yaml: give a weights folder, such as weights/faces256")
    check_apart(output, input)


def _check_credentials(options: Options) -> None:
    if (options.credentials_certificate is None) != (options.credentials_key is None):
        raise InputError("to sign outputs, give both `credentials_certificate` and `credentials_key`")
    if options.credentials is None:
        return
    if importlib.util.find_spec("c2pa") is None:
        raise InputError("signing needs c2pa-python: pip install 'faceinpaint[credentials]'")
    options.credentials.check()


def note_links(uri: str) -> str | None:
    """A line about links below the input that are not followed; None without any."""
    links = [as_text(link) for link in folder_links(uri)] if os.path.isdir(uri) else []
    if not links:
        return None
    named = ", ".join(links[:LINKS_NAMED]) + (", ..." if len(links) > LINKS_NAMED else "")
    return f"{len(links)} links to folders, or to nothing, are not followed: {named}; give such a folder as the input"
