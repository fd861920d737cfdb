"""The frame of a runner in Python: where its queues are, the loop, and how it stops. What it does with an entry is the runner's own."""

import argparse
import signal
import sys
import traceback

from listmill_spool import Spool


def parser(text):
    """Options with which a runner is told where its queues are."""
    options = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    place = options.add_mutually_exclusive_group(required=True)
    place.add_argument("--spool", metavar="DIR", help="the queues are files below DIR")
    place.add_argument("--amqp", metavar="URL", help="the queues are in this broker, as in amqp://USER@HOST/VHOST")
    return options


def queues(place):
    """What opens a queue by its name, in a spool or, where `place` is an amqp:// or amqps:// URL, in a broker (which takes pika)."""
    if place.startswith(("amqp://", "amqps://")):
        from listmill_amqp import Broker

        return Broker(place).queue
    return lambda name: Spool(place, name)


def serve(name, reads, carry, idle=lambda: None):
    """Hands one claim after the other to `carry`, until SIGTERM. The exit code: 75 (EX_TEMPFAIL) when the disk or the broker fails, for whoever
    supervises the runner to start it again; what was claimed is then claimed again by whoever comes next.

    `carry(claim, stopping)` ends the claim: it releases, gives back, defers or shunts it. `stopping()` says whether it should hurry. An entry on
    which it raises anything but OSError is shunted, with the reason."""
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    signal.signal(signal.SIGINT, lambda *_: stopped.append(True))
    try:
        while not stopped:
            claim = reads.claim()
            if claim:
                try:
                    carry(claim, lambda: bool(stopped))
                except OSError:
                    raise
                except Exception as error:  # a fault of ours, which must not come round for ever
                    reads.shunt(claim, name, repr(error), traceback.format_exc())
            else:
                idle()
                reads.wait(0.2)
    except OSError as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        return 75
    return 0
