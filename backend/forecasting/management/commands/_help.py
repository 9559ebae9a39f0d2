"""The end of a help text: two examples, and what the exit status says."""

from collections.abc import Iterable

from django.core.management.base import DjangoHelpFormatter

_STATUSES = """exit status:
  0    it is as it should be
  2    the look succeeded and it is not: drift, a failed run, a failed check
  1    it could not be done: settings, credentials, permission, network, conflict
  130  interrupted by Ctrl-C; 143 by SIGTERM"""


class HelpFormatter(DjangoHelpFormatter):
    """Keeps the lines of a text that has some."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return text
        return super()._fill_text(text, width, indent)


def epilog_of(command: str, examples: Iterable[tuple[str, str]]) -> str:
    """`examples` are flags, with what they are for."""
    lines = [
        f"  {f'python manage.py {command} {flags}'.strip()}\n      {purpose}"
        for flags, purpose in examples
    ]
    return "\n".join(["examples:", *lines, "", _STATUSES])
