"""How often something may be asked for: so many times in so many seconds, for each key.

Kept in memory: a server that starts anew has forgotten it, and a link is longer than anybody can
guess in that time.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

KEYS = 100_000
"""So many keys are remembered; the ones that were not used for longest go first."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `times` in `seconds`, counted for each visitor under this name."""

    name: str
    times: int
    seconds: int


SIGN_IN = Limit("sign-in", 10, 900)
"""For each address that is typed, and for each machine it comes from ten times as often."""
LINKS = Limit("links", 30, 900)
"""Links and codes that are tried from one machine."""
DOWNLOADS = Limit("downloads", 120, 300)
WHYS = Limit("whys", 120, 300)
API = Limit("api", 600, 60)


class Limiter:
    """Counts what was asked for."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._times: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()

    def passes(self, limit: Limit, key: str, factor: int = 1) -> bool:
        """Count one; False where it is one too many, which is not counted."""
        now = self._clock()
        with self._lock:
            times = self._times.setdefault((limit.name, key), deque())
            self._times.move_to_end((limit.name, key))
            while times and times[0] <= now - limit.seconds:
                times.popleft()
            if len(times) >= limit.times * factor:
                return False
            times.append(now)
            while len(self._times) > KEYS:
                self._times.popitem(last=False)
        return True
