"""Waiting, always for something that happens, never for time to pass."""

import threading

DEADLINE = 45.0


class Inbox:
    """Keeps what comes, in order, and lets a test wait for what is still to come."""

    def __init__(self):
        self.items = []
        self._changed = threading.Condition()

    def put(self, item):
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    def counts(self, n, fits=lambda item: True, seconds=DEADLINE):
        """Returns the items that fit once there are n of them."""
        found = lambda: [item for item in self.items if fits(item)]
        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= n, seconds):
                raise TimeoutError(f"{len(found())} of {n} items within {seconds} s: {found()!r:.500}")
            return found()
