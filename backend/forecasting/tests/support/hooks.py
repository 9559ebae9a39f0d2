"""The deploy hooks of docs/operations.md, run as Cloud Build and GitHub Actions run them."""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{ ([\w.]+) \}\}")
_VARIABLE = re.compile(r"(\$\$)|\$(\w+)")


@dataclass(frozen=True)
class Machine:
    """A folder that a hook works in, and programs that stand before those of this machine."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def install(self, name: str, script: str) -> None:
        """Put a program on the PATH; the text is what follows `#!/bin/sh`."""
        program = self._programs / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def run(self, words: list[str], environment: dict[str, str], typed: str = "") -> int:
        """The exit status of a step; what it said of errors is in the file `errors`."""
        path = f"{self._programs}:{os.environ['PATH']}"
        everything = {"HOME": str(self.folder), **self.environment, **environment, "PATH": path}
        ended = subprocess.run(
            words,
            cwd=self.folder,
            env=everything,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        (self.folder / "errors").write_text(ended.stdout + ended.stderr)
        return ended.returncode

    def read(self, name: str) -> str:
        """A file that the hook left; empty where it left none."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    @property
    def _programs(self) -> Path:
        return self.folder / "programs"


def run_cloud_build(build: dict[str, Any], machine: Machine, **substitutions: str) -> bool:
    """Whether the build succeeds: its steps run one after the other, up to the first that fails."""
    names = {"PROJECT_ID": "demo-project", "BUILD_ID": "1f3a", "COMMIT_SHA": "c0ffee"}
    names |= build["substitutions"] | substitutions
    for step in build["steps"]:
        environment = dict(_substitute(pair, names).split("=", 1) for pair in step.get("env", []))
        words = [_substitute(word, names) for word in [step["entrypoint"], *step["args"]]]
        if machine.run(words, environment):
            return False
    return True


def _substitute(text: str, names: dict[str, str]) -> str:
    """As Cloud Build does it: `$$` is a dollar sign, and a name that it does not know an error."""
    return _VARIABLE.sub(lambda found: "$" if found[1] else names[found[2]], text)


def run_github_job(job: dict[str, Any], machine: Machine, **environment: str) -> bool:
    """Whether the job succeeds; steps that use an action are passed over."""
    names = {k: _EXPRESSION.sub(r"\1", v) for k, v in job["env"].items()} | environment
    outcomes: dict[str, str] = {}
    for step in job["steps"]:
        if "run" not in step or not _is_due(step.get("if"), outcomes):
            continue
        failed = machine.run(["bash", "-e", "-c", step["run"]], names) != 0
        outcomes[step.get("id", "")] = "failure" if failed else "success"
        if failed and not step.get("continue-on-error"):
            return False
    return True


def _is_due(condition: str | None, outcomes: dict[str, str]) -> bool:
    if condition is None:
        return True
    name, equals, wanted = shlex.split(condition)
    assert equals == "=="
    return outcomes[name.removeprefix("steps.").removesuffix(".outcome")] == wanted
