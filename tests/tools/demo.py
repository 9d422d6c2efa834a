"""`make demo`: a photograph goes in, and comes out four times larger, by the real daemon.

All of it happens in `.demo/`; only the model goes to the data folder of the user, so that it is
fetched once.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).parents[2]
DEMO = ROOT / ".demo"
PHOTO = ROOT / "tests" / "data" / "astronaut.png"
MODEL = "realesrgan-x4plus"
UPSCALED = Path(sys.executable).with_name("upscaled")
START_LIMIT_S = 60
RESULT_LIMIT_S = 300
POLL_S = 0.3
LEAST_LIKENESS_DB = 27.0
LEAST_NEWS = 1.0
"""Grey levels: what a resize leaves out can be seen."""
PARTS = ("decode", "upscale", "encode", "publish")

CONFIG = """\
components:
  photo:
    type: model
    task: image-upscale
    architecture: real-esrgan
    model: {model}
rules:
  demo:
    watch: {inbox}
    component: photo
    output:
      folder: {outbox}
"""


class DemoError(Exception):
    """The demonstration did not show what it should."""


class Demo:
    """The folders, the environment and the daemon of one demonstration."""

    def __init__(self, runtime: Path) -> None:
        shutil.rmtree(DEMO, ignore_errors=True)
        self.inbox, self.outbox = DEMO / "inbox", DEMO / "outbox"
        for folder in (self.inbox, self.outbox):
            folder.mkdir(parents=True)
        self.config = DEMO / "upscaled.yml"
        # JSON strings are YAML strings, whatever the path holds; `$` is doubled against variables.
        words = {"inbox": self.inbox, "outbox": self.outbox, "model": MODEL}
        quoted = {name: json.dumps(str(word).replace("$", "$$")) for name, word in words.items()}
        self.config.write_text(CONFIG.format(**quoted))
        self.environ = os.environ | {
            "XDG_CONFIG_HOME": str(DEMO / "config"),
            "XDG_STATE_HOME": str(DEMO / "state"),
            "XDG_CACHE_HOME": str(DEMO / "cache"),
            "XDG_RUNTIME_DIR": str(runtime),
        }
        self.environ.pop("UPSCALED_CONFIG", None)
        self.log = DEMO / "daemon.log"
        self.daemon: subprocess.Popen[bytes] | None = None

    def call(self, *words: str) -> None:
        subprocess.run([UPSCALED, *words], env=self.environ, check=True)

    def status(self) -> dict[str, Any]:
        command = [UPSCALED, "status", "--json", "--config", self.config]
        ran = subprocess.run(command, env=self.environ, capture_output=True, check=False)
        try:
            report: dict[str, Any] = json.loads(ran.stdout)
        except ValueError:
            raise DemoError(f"`upscaled status --json` gave no JSON: {ran.stderr!r}") from None
        return report

    def start(self) -> None:
        with self.log.open("wb") as log:
            command = [UPSCALED, "up", "--config", self.config]
            self.daemon = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        deadline = time.monotonic() + START_LIMIT_S
        while not self.status()["daemon"]["running"]:
            self.check(deadline, "the daemon did not start")
            time.sleep(POLL_S)

    def wait(self) -> dict[str, Any]:
        """Shows progress until the photograph is done; its row of the status."""
        deadline = time.monotonic() + RESULT_LIMIT_S
        shown = ""
        while True:
            status = self.status()
            if ended := [job for job in status["recent"] if Path(job["file"]).name == PHOTO.name]:
                return dict(ended[0])
            line = describe(status)
            if line != shown:
                print(f"   {line}", flush=True)
                shown = line
            self.check(deadline, "there was no result in time")
            time.sleep(POLL_S)

    def check(self, deadline: float, what: str) -> None:
        if self.daemon and self.daemon.poll() is not None:
            raise DemoError(f"the daemon ended with status {self.daemon.returncode}")
        if time.monotonic() > deadline:
            raise DemoError(what)

    def stop(self) -> None:
        self.call("down", "--config", str(self.config))
        if self.daemon and (code := self.daemon.wait(timeout=30)):
            raise DemoError(f"the daemon ended with status {code}")

    def end(self) -> None:
        """Whatever happened, nothing stays behind."""
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            try:
                self.daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()


def describe(status: dict[str, Any]) -> str:
    if not status["running"]:
        return "waiting until the file has settled"
    job = status["running"][0]
    if not job.get("total"):
        return str(job.get("stage") or "starting the worker")
    return f"{job['stage']} {100 * job['done'] // job['total']:3d} %"


def drop(photo: Path, inbox: Path) -> None:
    """As a browser or a sync tool does: written under another name, then renamed."""
    partial = inbox / f".{photo.name}.part"
    shutil.copyfile(photo, partial)
    partial.rename(inbox / photo.name)


def show(job: dict[str, Any]) -> None:
    if job["state"] != "done":
        raise DemoError(f"the photograph is {job['state']}: {job.get('reason')}")
    output = Path(job["output"])
    if not output.is_file():
        raise DemoError(f"there is no {output}")
    size = f"{job['width_px']} × {job['height_px']} px, {output.stat().st_size / 1e6:.1f} MB"
    print(f"   {output.relative_to(ROOT)}: {size}")
    for part in PARTS:
        print(f"   {part:<8} {job['timings'][f'{part}_s']:7.2f} s")
    compare(output)


def compare(output: Path) -> None:
    """A result that is no picture of its source, or a mere resize, must not pass for one."""
    source = cv2.imread(str(PHOTO)).astype(np.float64)
    result = cv2.imread(str(output)).astype(np.float64)
    height, width = source.shape[:2]
    smaller = cv2.resize(result, (width, height), interpolation=cv2.INTER_AREA)
    likeness_db = 10 * math.log10(255**2 / np.mean((smaller - source) ** 2))
    larger = result.shape[1], result.shape[0]
    resizes = (cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
    news = min(
        np.abs(cv2.resize(source, larger, interpolation=kind) - result).mean() for kind in resizes
    )
    print(f"   scaled down again it is the photograph to {likeness_db:.1f} dB;")
    print(f"   it differs from a bicubic or Lanczos resize by {news:.1f} levels a sample")
    if likeness_db < LEAST_LIKENESS_DB or news < LEAST_NEWS:
        raise DemoError("the result is not what it should be: look at it")


def run(demo: Demo) -> None:
    print(f"== The model {MODEL} (fetched once, then kept in your data folder)", flush=True)
    demo.call("models", "pull", MODEL)
    print("== The daemon starts", flush=True)
    demo.start()
    began = time.monotonic()
    print(f"== {PHOTO.name} is dropped into {demo.inbox.relative_to(ROOT)}", flush=True)
    drop(PHOTO, demo.inbox)
    job = demo.wait()
    print(f"== Done {time.monotonic() - began:.1f} s after the drop", flush=True)
    show(job)
    print("== The daemon stops", flush=True)
    demo.stop()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="upscaled-demo-") as runtime:
        demo = Demo(Path(runtime))
        try:
            run(demo)
        except (DemoError, subprocess.SubprocessError) as error:
            print(f"demo: {error}", file=sys.stderr)
            if demo.log.exists():
                print(demo.log.read_text(errors="replace")[-4000:], file=sys.stderr)
            return 1
        finally:
            demo.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
