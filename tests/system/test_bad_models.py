"""A model that cannot be used stops its own rule, and says what to do; the others go on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN

from support.daemon_fixtures import Daemon, MakeDaemon, is_upscaled
from upscaled.job import JobState


class Harmful:
    """Unpickled by a trusting program, it makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.trace,))


def small_x4(channels: int = 3) -> dict[str, torch.Tensor]:
    net = Compact(num_in_ch=channels, num_out_ch=channels, num_feat=16, num_conv=2, upscale=4)
    state: dict[str, torch.Tensor] = net.state_dict()
    return state


def truncated(file: Path) -> None:
    torch.save(small_x4(), file)
    file.write_bytes(file.read_bytes()[:3000])


def truncated_safetensors(file: Path) -> None:
    save_file(small_x4(), file)
    file.write_bytes(file.read_bytes()[:-100])


def one_to_one(file: Path) -> None:
    net = ESRGAN(in_nc=48, num_blocks=1, num_filters=8, shuffle_factor=4)
    torch.save(net.state_dict(), file)


BAD: dict[str, tuple[Callable[[Path], object], dict[str, Any], str]] = {
    "nothing.pth": (lambda f: f.write_text("Dear diary,\n"), {}, "damaged or not a model"),
    "cut.pth": (truncated, {}, "damaged or not a model"),
    "cut.safetensors": (truncated_safetensors, {}, "cut short or damaged"),
    "harmful.pth": (
        lambda f: torch.save({"params": Harmful(f.with_name("was-run"))}, f),
        {},
        "refused: it is a pickle that asks for code to be run",
    ),
    "classifier.pth": (
        lambda f: torch.save({"fc.weight": torch.zeros(10, 10)}, f),
        {},
        "no network architecture that is known",
    ),
    "gray.pth": (
        lambda f: torch.save(
            Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=2).state_dict(), f
        ),
        {},
        "turns 1 channels into 1",
    ),
    "other.pth": (
        lambda f: torch.save(small_x4(), f),
        {"model": {"path": "other.pth", "scale": 2}},
        "upscales ×4, not ×2",
    ),
    "same.pth": (one_to_one, {"scale": 2}, "gives 1x"),
}
"""By name of the file: what makes it, what its component says besides, what is said of it."""


def stem(name: str) -> str:
    return name.replace(".", "-")


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    daemon = make_daemon()
    components: dict[str, object] = {"good": {"model": "realesrgan-x4plus"}}
    rules: dict[str, dict[str, object]] = {"good": {"component": "good"}}
    for name, (make, says, _) in BAD.items():
        make(daemon.folder / name)
        components[stem(name)] = {"model": f"./{name}", **says}
        rules[stem(name)] = {
            "component": stem(name),
            "watch": f"in-{stem(name)}",
            "output": f"out-{stem(name)}",
        }
    daemon.configure(rules, components=components)
    daemon.start()
    return daemon


def test_each_bad_model_gives_its_rule_one_clear_error_and_the_others_go_on(
    daemon: Daemon,
) -> None:
    first = daemon.drop("first.png")
    stuck = {name: daemon.drop("a.png", inbox=daemon.folder / f"in-{stem(name)}") for name in BAD}

    def waiting() -> dict[str, dict[str, Any]]:
        rules = daemon.status()["rules"]
        return {rule["name"]: rule for rule in rules if rule["state"] == "waiting"}

    daemon.wait_until(lambda: len(waiting()) == len(BAD), "each bad rule waits")
    second = daemon.drop("second.png")
    for job in daemon.wait_done(first, second):
        assert job.output is not None
        assert is_upscaled(job.output, job.file)

    waits = waiting()
    for name, (_, _, said) in BAD.items():
        rule = waits[stem(name)]
        assert name in rule["reason"]
        assert said in f"{rule['reason']} ({rule['hint']})"
        assert rule["hint"], "what to do"
        assert rule["cause"].startswith("model-")
        (job,) = daemon.jobs(stuck[name])
        assert (job.state, job.attempts) == (JobState.WAITING, 0)
    assert not (daemon.folder / "was-run").exists()
    problems = [problem["what"] for problem in daemon.status()["problems"]]
    for name in BAD:
        assert len([what for what in problems if name in what]) == 1, problems
    assert "Traceback" not in daemon.log
    assert daemon.log.count("worker started") == 1

    (daemon.folder / "cut.pth").unlink()
    torch.save(small_x4(), daemon.folder / "cut.pth")
    daemon.call("resume", stem("cut.pth"))
    daemon.wait_done(stuck["cut.pth"])
