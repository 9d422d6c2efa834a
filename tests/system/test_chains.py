"""Results that another rule takes for sources, with the daemon."""

from support.daemon_fixtures import MakeDaemon, pixels


def test_the_results_of_a_rule_are_sources_of_the_next_where_it_says_so(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon()
    second, final = daemon.folder / "second", daemon.folder / "final"
    daemon.configure({
        "first": {"output": str(second / "of-first"), "allow_chain": True},
        "second": {
            "watch": str(second),
            "output": {"folder": str(final), "name": "{stem}.{ext}", "scale": 2},
        },
    })  # fmt: skip
    daemon.start()
    source = daemon.drop("a.png")

    result = second / "of-first" / "a_4x.png"
    daemon.wait_done(source)
    daemon.wait_done(result)

    assert pixels(final / "of-first" / "a_4x.png").shape[1] == 2 * pixels(result).shape[1]
    assert daemon.results(final) == ["of-first/a_4x.png"]
    assert [job.rule for job in daemon.jobs()] == ["first", "second"]
