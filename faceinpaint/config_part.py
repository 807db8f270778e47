"""What the parts of a configuration are made of."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
PowerOfTwo = Literal[32, 64, 128, 256, 512, 1024]  # pixels; the networks' maps would vanish below 32


class Part(BaseModel):
    """A frozen piece of configuration that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StagePart(Part):
    """The part that shapes a stage, with its usual training settings (fields of ``StageTraining``).

    A configuration that does not mention such a stage under ``train`` gets them. So configurations that were saved
    before the stage existed still load.
    """

    usual_training: ClassVar[dict[str, Any]]
