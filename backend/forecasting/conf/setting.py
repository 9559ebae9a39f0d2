"""One setting: its form, its default, and where its value comes from."""

from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from django.conf import settings

from ..errors import SettingError
from .forms import Form

PREFIX = "FORECASTING_"


@dataclass(frozen=True)
class Setting:
    """One setting: where it comes from, what it may be, what it is when it is not set.

    `default` is a text like those that it may be set to. Without one it has to be set, unless it
    is `optional`. Where it is `blank`, an empty text is a value, and only what is not set at all
    has the default. `help` is for its flag; what has none is set by the environment alone.
    `about` is what README's table says of it, where that is not the help.
    """

    form: Form
    help: str = ""
    _: KW_ONLY
    default: str = ""
    optional: bool = False
    blank: bool = False
    about: str = ""
    setting: str = ""
    flag: str = ""
    field: str = ""

    def of(self, field: str) -> "Setting":
        """The setting of a field, with the names that follow from the field's."""
        flag = f"--{field.replace('_', '-')}" if self.help else ""
        setting = self.setting or f"{PREFIX}{field.upper()}"
        return replace(self, field=field, setting=setting, flag=self.flag or flag)

    def value(self, flagged: object, *, required: bool) -> Any:
        """The checked value: the flag's, else Django's, else the default. Raises SettingError."""
        given = getattr(settings, self.setting, None) if flagged is None else flagged
        if given is None or (not self.blank and not str(given).strip()):
            given = self.default
        if str(given).strip():
            return self.form.read(self.setting if flagged is None else self.flag, given)
        if required and not self.optional and not self.blank:
            raise SettingError(
                f"{self.setting} is not set",
                f"expected {self.form.expected}; set it in the environment or .env, or give "
                f"{self.flag}",
            )
        return self.form.empty


def setting(form: Form, help: str = "", **more: Any) -> Any:
    """Declares a field of `Config` with its Setting, which takes the same; no value of it."""
    return field(metadata={"setting": Setting(form, help, **more)})
