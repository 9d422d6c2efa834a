"""Components as stages: what each is told, and what it has when nothing is said."""

from dataclasses import dataclass

from upscaled.config.findings import Findings
from upscaled.config.grammar.block import Sized
from upscaled.config.grammar.step_components import Denoiser, FaceRestorer, Sharpener, Shell, Step
from upscaled.config.resolve.components import Components
from upscaled.config.resolve.resolved_component import ResolvedComponent
from upscaled.config.resolve.sizing import Sizing, sized
from upscaled.config.tree import Location
from upscaled.recipe import IMAGE_UPSCALE, StageRecipe

STRENGTH = 0.5
FACE_STRENGTH = 0.8
RADIUS_PX = 1.5
AMOUNT = 0.5
THRESHOLD = 2.0
TIMEOUT_S = 300.0


@dataclass(slots=True)
class Stages:
    components: Components
    findings: Findings
    precision: str
    allow_shell: bool

    def made(self, component: str | None, at: Location) -> StageRecipe | None:
        """A stage without name and inputs; None where it cannot be, which is said already.

        `at`: where the component is named, or would be.
        """
        if component is None:
            name = self.components.only(at[:-1], f"the job '{at[-2]}'")
        else:
            name = self.components.named(component, at)
            if name is None:
                return None
        made = self.components.made(name) if name else ResolvedComponent()
        block = self.components.block(name) if name else None
        if isinstance(block, Step):
            return self._step(block, made, at, ("components", name or ""))
        return StageRecipe(
            IMAGE_UPSCALE,
            model=made.model,
            scale=made.size.scale,
            fit=made.size.fit,
            tile_px=made.tile_px,
            precision=made.precision or self.precision,
        )

    def _step(
        self, block: Step, made: ResolvedComponent, at: Location, where: Location
    ) -> StageRecipe | None:
        task = str(getattr(block, "task", ""))
        size = sized(block, where, self.findings) if isinstance(block, Sized) else Sizing()
        model = made.model if getattr(block, "model", None) is not None else None
        if isinstance(block, Sized) and size == Sizing():
            self.findings.error(where, "this component does not say how large the image becomes",
                                "add 'scale: 0.5', or 'long_edge: 3000'", key=True)  # fmt: skip
        if isinstance(block, Shell) and not self.allow_shell:
            self.findings.error(
                at, "this component runs a command, which is not allowed here",
                "write 'allow_shell: true' at the top level if you trust this file",
            )  # fmt: skip
            return None
        detector = None
        if isinstance(block, FaceRestorer):
            detector = self._detector(block, where)
        return StageRecipe(
            task,
            model=model,
            scale=size.scale,
            fit=size.fit,
            tile_px=made.tile_px,
            precision=made.precision or self.precision,
            numbers=_numbers(block),
            command=tuple(block.command) if isinstance(block, Shell) else (),
            detector=detector,
        )

    def _detector(self, block: FaceRestorer, where: Location) -> str | None:
        if block.model is None:
            self.findings.missing((*where, "model"), "there is no network for faces built in",
                                  "add 'model: GFPGANv1.4.pth'")  # fmt: skip
        if block.detector is None:
            self.findings.missing(where, "this component does not say what finds the faces",
                                  "add 'detector: face_detection_yunet_2023mar.onnx'")  # fmt: skip
            return None
        return str(self.components.expand(block.detector, (*where, "detector")))


def _numbers(block: Step) -> tuple[tuple[str, float], ...]:
    match block:
        case Denoiser():
            return (("strength", _or(block.strength, STRENGTH)),)
        case FaceRestorer():
            return (("strength", _or(block.strength, FACE_STRENGTH)),)
        case Sharpener():
            return (
                ("radius", _or(block.radius, RADIUS_PX)),
                ("amount", _or(block.amount, AMOUNT)),
                ("threshold", _or(block.threshold, THRESHOLD)),
            )
        case Shell():
            return (("timeout_s", _or(block.timeout, TIMEOUT_S)),)
    return ()


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
