"""Rules that ask what is in a picture, and rules that take it beside others, with the daemon."""

from pathlib import Path

from support.daemon_fixtures import MakeDaemon, crop
from upscaled.job import JobState


def test_pictures_go_to_the_rule_whose_conditions_hold(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    others = {name: str(daemon.folder / name) for name in ("gray", "beside")}
    originals = daemon.folder / "originals"
    daemon.configure({
        "a-gray": {"when": {"gray": True}, "output": others["gray"],
                 "on_success": {"move": str(originals)}},
        "beside": {"also": True, "when": {"format": "png"}, "output": others["beside"]},
        "colour": {"when": {"megapixels": {"max": 0.003}}},
    })  # fmt: skip
    gray = daemon.drop("gray.png", crop(0, 0).convert("L"))
    colour = daemon.drop("colour.png", crop(9, 9, (60, 40)))
    large = daemon.drop("large.bmp", crop(9, 9, (80, 60)))
    daemon.start()

    daemon.wait_until(
        lambda: sorted(job.state for job in daemon.jobs()) == [*["cancelled"] * 3, *["done"] * 4],
        "every picture has its results",
    )

    assert daemon.results() == ["colour_4x.png"]
    assert daemon.results(Path(others["gray"])) == ["gray_4x.png"]
    assert daemon.results(Path(others["beside"])) == ["colour_4x.png", "gray_4x.png"]
    # Not before the other rule had read it too.
    daemon.wait_until((originals / "gray.png").exists, "the gray original is moved")
    assert not gray.exists()
    assert colour.exists()
    beside, nobody = sorted(daemon.jobs(large), key=lambda job: job.rule, reverse=True)
    assert (beside.rule, beside.reason) == ("beside", "it is bmp, not png")
    assert (nobody.rule, nobody.state) == ("a-gray", JobState.CANCELLED)
    assert nobody.reason is not None
    assert nobody.reason.startswith(
        "no rule takes it: it is in colour; colour: it has 0.0048 megapixels, more than 0.003 ("
    )


def test_what_no_rule_took_is_looked_at_again_when_the_rules_have_changed(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon()
    daemon.configure({"photos": {"when": {"megapixels": {"max": 0.003}}}})
    large = daemon.drop("large.png", crop(9, 9, (80, 60)))
    daemon.start()
    daemon.wait_until(
        lambda: [job.state for job in daemon.jobs()] == [JobState.CANCELLED], "it is refused"
    )
    daemon.configure()
    assert daemon.call("reload").returncode == 0
    daemon.wait_until(
        lambda: sorted(job.state for job in daemon.jobs(large)) == ["cancelled", "done"],
        "it is looked at again, and done",
    )
    assert daemon.results() == ["large_4x.png"]
