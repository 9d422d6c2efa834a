"""What tests replace of the daemon."""

from dataclasses import dataclass

from upscaled.clock import Clock
from upscaled.service.inboxes import MakeInbox, real_inbox
from upscaled.service.status.systemd_notify import Notifier
from upscaled.service.workers.pool import StartWorker
from upscaled.service.workers.process import WorkerProcess


@dataclass(frozen=True, slots=True)
class Seams:
    clock: Clock
    notifier: Notifier
    start_worker: StartWorker = WorkerProcess
    make_inbox: MakeInbox = real_inbox
