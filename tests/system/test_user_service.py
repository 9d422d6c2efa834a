"""The daemon under a real `systemd --user`: installed, started, asked, stopped, removed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tests" / "tools" / "with-user-manager"
UNAVAILABLE = 75


def with_user_manager(script: str) -> subprocess.CompletedProcess[str]:
    """Runs the script beside a user manager of its own; skips where there can be none."""
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(
        [TOOL, "sh", "-c", script],
        env=environ,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if ran.returncode == UNAVAILABLE:
        pytest.skip(ran.stderr.strip())
    return ran


@pytest.mark.usefixtures("models_at_home")
def test_the_service_lives_from_installation_to_removal(home: Path) -> None:
    inbox, outbox = home / "Upscale" / "inbox", home / "Upscale" / "outbox"
    inbox.mkdir(parents=True)
    Image.linear_gradient("L").resize((24, 16)).convert("RGB").save(inbox / "ramp.png")
    script = f"""
        set -e
        upscaled service install >&2
        until [ -e "{outbox}/ramp_4x.png" ]; do sleep 0.1; done
        upscaled service status --json
        systemctl --user reload upscaled.service
        systemctl --user is-active upscaled.service >&2
        upscaled service install >&2
        upscaled service uninstall >&2
        ! systemctl --user is-active --quiet upscaled.service
    """

    ran = with_user_manager(script)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads(ran.stdout)
    assert (report["installed"], report["current"]) == (True, True)
    assert report["properties"]["ActiveState"] == "active"
    assert report["properties"]["UnitFileState"] == "enabled"
    assert report["properties"]["StatusText"]
    assert not Path(report["unit"]).exists()
    with Image.open(outbox / "ramp_4x.png") as picture:
        assert picture.size == (96, 64)


def test_a_broken_configuration_is_no_reason_to_start_again_and_again(home: Path) -> None:
    (home / "broken.yml").write_text("rulez: {}\n")
    script = f"""
        upscaled service install --config "{home}/broken.yml"
        echo "install: $?" >&2
        systemctl --user show --property=NRestarts,ExecMainStatus,ActiveState upscaled.service
    """

    ran = with_user_manager(script)

    assert "install: 1" in ran.stderr
    assert "Traceback" not in ran.stderr
    said = dict(line.split("=") for line in ran.stdout.split())
    assert said == {"NRestarts": "0", "ExecMainStatus": "78", "ActiveState": "failed"}
