"""What the measurements were made on, without anything that names the machine."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, date, datetime

from bench.database import Database, open_cursor

_SHOWN_SETTINGS = ("shared_buffers", "work_mem", "hash_mem_multiplier")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Cores, memory, versions, the server's settings that matter, and how busy it was before."""

    day: date
    cores: int
    memory_bytes: int
    system: str
    postgres: str
    python: str
    settings: dict[str, str]
    load: float


def look_at_machine(database: Database, load: float) -> Machine:
    """The machine as it is now; `load` is what `current_load` said before the work began."""
    with open_cursor(database.reader_uri) as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone() or ("",)
        settings = {}
        for name in _SHOWN_SETTINGS:
            cursor.execute(f"SHOW {name}")
            settings[name] = str((cursor.fetchone() or ("",))[0])
    return Machine(
        day=datetime.now(UTC).date(),
        cores=os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.machine()}",
        postgres=str(version),
        python=platform.python_version(),
        settings=settings,
        load=load,
    )


def current_load() -> float:
    """How many processes wanted a core on average over the last minute."""
    return os.getloadavg()[0]
