"""Child processes that do not outlive this one, however it ends.

A child belongs to a small shell, its keeper, which waits on a pipe whose other end this process
alone holds. When the pipe closes, by `stop()` or because this process is gone, the keeper ends the
child and removes its temporary folder. Ctrl-C at the terminal reaches neither of the two.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Runs as `sh -c KEEPER keeper TENTHS FOLDER COMMAND...`: after so many tenths of a second a child
# that does not heed SIGTERM is killed. The keeper waits for it, so no zombie stays behind either.
_KEEPER = """
trap '' HUP INT TERM PIPE
tenths=$1 folder=$2
shift 2
(trap - HUP INT TERM PIPE; exec "$@") </dev/null 2>"$folder/log" &
child=$!
exec >/dev/null
cat
kill -TERM $child 2>/dev/null
while [ $tenths -gt 0 ] && kill -0 $child 2>/dev/null; do
  sleep 0.1
  tenths=$((tenths - 1))
done
kill -KILL $child 2>/dev/null
wait $child
rm -rf "$folder"
"""
_PATIENCE_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class KeptProcess:
    """A child that runs until `stop()`, or until this process ends."""

    keeper: subprocess.Popen[str]
    folder: Path

    @property
    def log(self) -> str:
        """What it has written to its standard error."""
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        """Ends the child and waits until it is gone; does nothing the second time."""
        self.keeper.communicate()


def start_kept(command: Sequence[str], *, environment: Mapping[str, str]) -> KeptProcess:
    """Starts `command`, whose standard output can be read, with a temporary folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="localcloud-"))
    (folder / "log").touch()
    arguments = [str(_PATIENCE_SECONDS * 10), str(folder), *command]
    try:
        keeper = subprocess.Popen(  # noqa: S603 - the arguments are this package's own
            ["/bin/sh", "-c", _KEEPER, "keeper", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "TMPDIR": str(folder)},
            start_new_session=True,
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # The keeper may be there already, and do it too.
        raise
    return KeptProcess(keeper=keeper, folder=folder)
