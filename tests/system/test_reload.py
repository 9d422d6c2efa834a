"""The running daemon takes a changed configuration, and keeps the old one where it is broken."""

import signal

import yaml

from support.daemon_fixtures import Daemon, MakeDaemon, crop
from upscaled.engine.device import cpu_has_bf16

LONG_PX = (400, 300) if cpu_has_bf16() else (200, 150)
"""It is still at work when the change has been noticed: seconds. fp32 takes 8 times as long."""


def write(daemon: Daemon, **rules: dict[str, object]) -> None:
    """As an editor does it: whole, by renaming."""
    assert daemon.config is not None
    own = {"watch": str(daemon.inbox), "output": str(daemon.outbox), "settle": 0.2}
    complete = {name: own | rule for name, rule in rules.items()}
    text = yaml.safe_dump({"watch_config": True, "rules": complete}, sort_keys=False)
    new = daemon.config.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.rename(daemon.config)


def rules_of(daemon: Daemon) -> dict[str, str]:
    return {rule["name"]: rule["state"] for rule in daemon.status()["rules"]}


def problems_of(daemon: Daemon) -> str:
    return "\n".join(problem["what"] for problem in daemon.status()["problems"])


def test_a_changed_configuration_takes_effect_by_itself(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.configure()
    other = daemon.folder / "other"
    other.mkdir()
    write(daemon, photos={})
    large = daemon.drop("large.png", crop(5, 5, LONG_PX))
    daemon.start()
    daemon.wait_in_the_middle(large)
    waiting = [daemon.drop(f"{name}.png") for name in "abcd"]
    daemon.wait_until(lambda: len(daemon.jobs()) == 5, "all are queued")
    pid = daemon.worker_pid

    # Renamed: what runs goes on, what waits is held, and the file is not touched meanwhile.
    write(daemon, pictures={"watch": str(other)})
    daemon.wait_until(
        lambda: rules_of(daemon) == {"pictures": "active", "photos": "removed"},
        "the new rule is there",
    )
    (done,) = daemon.wait_done(large)
    assert done.attempts == 1
    assert daemon.worker_pid == pid
    new = daemon.drop("new.png", inbox=other)
    daemon.wait_done(new)
    # Two may have been in the worker already.
    assert [daemon.jobs(source)[-1].state for source in waiting[2:]] == ["waiting", "waiting"]

    # Broken: the old one stays, and status says where.
    assert daemon.config is not None
    good = daemon.config.read_text(encoding="utf-8")
    daemon.config.write_text(good.replace("settle:", "setle:"), encoding="utf-8")
    daemon.wait_until(lambda: "unknown key 'setle'" in problems_of(daemon), "status says it")
    assert f"{daemon.config}:" in problems_of(daemon)
    daemon.wait_done(daemon.drop("while-broken.png", inbox=other))
    refused = daemon.call("reload")
    assert refused.returncode != 0
    assert "did you mean 'settle'?" in refused.stderr

    # Mended: the problem is gone, and the rule that is back goes on with what it has.
    write(daemon, photos={}, pictures={"watch": str(other)})
    daemon.wait_done(*waiting)
    assert problems_of(daemon) == ""
    assert rules_of(daemon) == {"photos": "active", "pictures": "active"}
    assert "the configuration was read anew: added pictures; removed photos" in daemon.log

    # Without watch_config it is read when told.
    daemon.configure({"three": {}})
    daemon.wait_until(lambda: "three" in rules_of(daemon), "the last change by itself")
    daemon.configure({"four": {}})
    daemon.send(signal.SIGHUP)
    daemon.wait_until(lambda: "four" in rules_of(daemon), "the signal was heard")
    daemon.configure({"five": {}})
    assert daemon.call("reload").stderr == "rules now: five\n"
