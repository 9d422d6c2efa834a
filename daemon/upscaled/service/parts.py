"""All that a daemon is made of, built before it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from upscaled.clock import Clock
from upscaled.config.settings import Settings
from upscaled.control.server import Server
from upscaled.dirs import Dirs
from upscaled.job import JobState, Order
from upscaled.outcomes import Changed, Outcome, Vanished
from upscaled.service import lock
from upscaled.service.configuration import Configuration
from upscaled.service.events import ControlRequest, Event, EventQueue, Signalled, ThreadCrashed
from upscaled.service.inboxes import Inboxes, MakeInbox, real_inbox
from upscaled.service.notify.notifications import Notifications
from upscaled.service.queue.crash_recovery import run_mark
from upscaled.service.queue.dispatch import Dispatcher
from upscaled.service.queue.intake import Intake
from upscaled.service.sources.cleanup_lanes import CleanupLanes
from upscaled.service.sources.cleanup_queue import CleanupQueue
from upscaled.service.status.readiness import Readiness
from upscaled.service.status.systemd_notify import Notifier
from upscaled.service.store_retry import StoreRetry
from upscaled.service.upkeep.known_mounts import KnownMounts
from upscaled.service.upkeep.pruner import Pruner, look_in_background
from upscaled.service.upkeep.sweeper import Sweeper
from upscaled.service.workers.devices import count_gpus, devices
from upscaled.service.workers.factory import StartWorker, WorkerFactory
from upscaled.service.workers.pool import WorkerPool
from upscaled.service.workers.process import WorkerProcess
from upscaled.store.jobs import Store


@dataclass(frozen=True, slots=True)
class Seams:
    """What tests replace of the daemon."""

    clock: Clock
    notifier: Notifier
    start_worker: StartWorker = WorkerProcess
    make_inbox: MakeInbox = real_inbox


@dataclass(frozen=True, slots=True)
class OpenState:
    """What is held while a daemon runs: it ends with it."""

    events: EventQueue
    store: Store
    server: Server
    started_at: float
    """Seconds since 1970; before there was a wait for any of these."""


@dataclass(frozen=True, slots=True)
class Parts:
    """None of them knows the daemon; what they have to say comes by `events`."""

    owner: str
    """Stands on each row of a job that runs."""
    clock: Clock
    dirs: Dirs
    notifier: Notifier
    events: EventQueue
    server: Server
    configuration: Configuration
    raw_store: Store
    """Raises at once where its disk is full; for what must not wait."""
    store_retry: StoreRetry
    store: Store
    known_mounts: KnownMounts
    workers: WorkerFactory
    pool: WorkerPool
    inboxes: Inboxes
    intake: Intake
    dispatcher: Dispatcher
    cleanup_lanes: CleanupLanes
    cleanup: CleanupQueue
    pruner: Pruner
    sweeper: Sweeper
    notifications: Notifications
    readiness: Readiness


def build(
    settings: Settings,
    dirs: Dirs,
    seams: Seams,
    opened: OpenState,
    *,
    load: Callable[[], Settings] | None,
    attend: Callable[[Event | None], bool],
    relieved: Callable[[], None],
) -> Parts:
    """`load`: for a reload. `attend`, `relieved`: as `StoreRetry` has them."""
    clock, events = seams.clock, opened.events
    configuration = Configuration(settings, clock, load)
    owner, mark = lock.owner_id(), run_mark(opened.store)
    store_retry = StoreRetry(
        events,
        clock,
        is_urgent=lambda event: isinstance(event, ControlRequest | Signalled | ThreadCrashed),
        attend=attend,
        relieved=relieved,
    )
    store = store_retry.with_store(opened.store)
    mounts = KnownMounts(store, clock)
    workers = WorkerFactory(
        configuration,
        dirs,
        clock,
        seams.start_worker,
        events.put,
        mark=mark,
        learned=store.learned,
    )
    pool = WorkerPool(devices(settings, count_gpus()), workers.slot)
    lanes = CleanupLanes(mark, events.put, clock, mounts.of)
    cleanup = CleanupQueue(store, clock, lanes.submit, lambda: lanes.slow)
    inboxes = Inboxes(events.put, clock, seams.make_inbox, mounts.of)
    notifications = Notifications(configuration, clock, has_work=store.has_work)
    listeners = (
        partial(_look_at_source, inboxes, lanes),
        notifications.job_ended,
        cleanup.job_ended,
    )
    return Parts(
        owner=owner,
        clock=clock,
        dirs=dirs,
        notifier=seams.notifier,
        events=events,
        server=opened.server,
        configuration=configuration,
        raw_store=opened.store,
        store_retry=store_retry,
        store=store,
        known_mounts=mounts,
        workers=workers,
        pool=pool,
        inboxes=inboxes,
        intake=Intake(store, clock),
        dispatcher=Dispatcher(store, clock, owner, pool, listeners, known_mounts=mounts),
        cleanup_lanes=lanes,
        cleanup=cleanup,
        pruner=Pruner(
            store, clock, partial(look_in_background, mount_of=mounts.of, deliver=events.put)
        ),
        sweeper=Sweeper(opened.store.store_id, mark, clock, mounts.of, events.put),
        notifications=notifications,
        readiness=Readiness(seams.notifier, clock),
    )


def _look_at_source(
    inboxes: Inboxes, lanes: CleanupLanes, order: Order, outcome: Outcome, state: JobState
) -> None:
    del state
    if isinstance(outcome, Changed | Vanished):
        # What stands there now, or comes back, is new work: nobody else looks at it again.
        inboxes.resettle(order.source)
    else:
        lanes.check_unchanged(order)
