"""Settings of the backend: the one place that reads the environment (and `.env`).

The forecasting settings are kept as the text they came as. `backend.forecasting.conf` knows their
defaults and checks them, so that a malformed value is one clear sentence of the command that
needs it and not a traceback of every command.
"""

import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from django.db.utils import load_backend
from environs import Env, EnvError

from backend.forecasting.conf import SETTINGS
from backend.forecasting.errors import SettingError
from backend.forecasting.management.usage import end_early

BASE_DIR = Path(__file__).resolve().parents[2]

env = Env()


def _unreadable(name: str, expected: str) -> SystemExit:
    as_event = env.str("FORECASTING_LOG_FORMAT", "") == "json"
    error = SettingError(f"{name} cannot be read", f"expected {expected}")
    return end_early(error, as_event=as_event)


try:
    env.read_env(str(BASE_DIR / ".env"), recurse=False)
except (OSError, UnicodeDecodeError):
    raise _unreadable(".env", "a file of UTF-8 text that this user may read") from None


def _read(parse: Callable[..., Any], name: str, default: Any, expected: str) -> Any:
    """A variable's value, the default where it is empty. What cannot be read ends the process.

    In one sentence, and without the value: it may hold a password.
    """
    if not env.str(name, ""):
        return default
    try:
        return parse(name)
    except EnvError:
        raise _unreadable(name, expected) from None


def _whole(name: str) -> int:
    """A variable's number, which is not below 0."""
    number: int = env.int(name)
    if number < 0:
        raise EnvError(name)
    return number


def _proxy_header(name: str) -> tuple[str, str]:
    """The header that says `https`, as Django wants it; `NAME` or `NAME, https`."""
    found = re.fullmatch(
        r"\s*(?:HTTP_)?([A-Z][A-Z0-9_-]*)\s*(?:,\s*https\s*)?", env.str(name), re.I
    )
    if not found:
        raise EnvError(name)
    return f"HTTP_{found[1].upper().replace('-', '_')}", "https"


def _list(name: str) -> list[str]:
    """What is between the commas, without the spaces around it."""
    return [item for item in map(str.strip, env.str(name, "").split(",")) if item]


# Without a key of its own a process makes one up: commands work, sessions end with the process,
# and `check --deploy` reports it (security.W009).
SECRET_KEY = env.str("DJANGO_SECRET_KEY", "") or f"django-insecure-{get_random_secret_key()}"
DEBUG: bool = _read(env.bool, "DJANGO_DEBUG", False, "true or false")
ALLOWED_HOSTS: list[str] = _list("DJANGO_ALLOWED_HOSTS")

# Over HTTPS alone, but for development: cookies, redirect and HSTS. The probes of a load balancer
# come without, and are not sent on.
HTTPS: bool = _read(env.bool, "DJANGO_HTTPS", not DEBUG, "true or false")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT: bool = _read(env.bool, "DJANGO_SSL_REDIRECT", HTTPS, "true or false")
SECURE_REDIRECT_EXEMPT = [r"^health/$"]
SECURE_HSTS_SECONDS: int = _read(
    _whole, "DJANGO_HSTS_SECONDS", 365 * 24 * 3600 if HTTPS else 0, "a number of seconds from 0 on"
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0

# Behind a proxy that ends TLS: where forms may come from, and the header that says it was TLS.
CSRF_TRUSTED_ORIGINS: list[str] = _list("DJANGO_CSRF_TRUSTED_ORIGINS")
SECURE_PROXY_SSL_HEADER: tuple[str, str] | None = _read(
    _proxy_header,
    "DJANGO_SECURE_PROXY_SSL_HEADER",
    None,
    "the name of a header such as X-Forwarded-Proto, alone or followed by `, https`",
)

# What the status page and the health check remember; without an address each process by itself.
CACHES = {
    "default": _read(
        env.dj_cache_url,
        "CACHE_URL",
        {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "db://TABLE or redis://HOST:PORT/NUMBER",
    ),
}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "backend.entities",
    "backend.events",
    "backend.forecasting",
    # Only commands for development and tests; imports nothing until one of them runs.
    "backend.localcloud",
    "backend.demo",
]
# Its page alone, not the app: that would import a name server's client into every command.
_health_check = getattr(find_spec("health_check"), "origin", None)

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "backend.config.urls"
WSGI_APPLICATION = "backend.config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(_health_check).parent / "templates"] if _health_check else [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def _database(name: str) -> dict[str, Any]:
    """A database for which Django has what it needs."""
    found: dict[str, Any] = env.dj_db_url(name)
    if found["ENGINE"] != "django.db.backends.postgresql":
        try:
            load_backend(found["ENGINE"])
        except (ImproperlyConfigured, ImportError):
            raise EnvError(name) from None
    return found


DATABASES = {
    "default": _read(
        _database,
        "DATABASE_URL",
        {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "NAME": "venezuelawatch"},
        "postgresql://USER:PASSWORD@HOST:PORT/NAME",
    ),
}
# A database that does not answer is reported in seconds, not after the TCP stack gives up.
if DATABASES["default"]["ENGINE"].rsplit(".", 1)[-1].startswith("post"):
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
# Where `collectstatic` puts the admin's files, for whatever serves them in production.
STATIC_ROOT = BASE_DIR / "staticfiles"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What goes wrong is on stderr, with DEBUG off too: Django would only send it by mail then. As JSON
# it is what Cloud Logging reads.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": ["levelname", "name", "message"],
            "rename_fields": {"levelname": "severity"},
            "timestamp": "time",
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "text"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django": {"handlers": [], "level": "INFO"}},
}
if env.str("FORECASTING_LOG_FORMAT", "") == "json":
    LOGGING["handlers"]["console"]["formatter"] = "json"

# Those that nobody knows come along, so that `manage.py check` can say so.
globals().update({name: os.environ[name] for name in os.environ if name.startswith("FORECASTING_")})
# Google Cloud and the forecasting pipeline. Empty means: not set, the app's default holds; but for
# the few settings to which an empty text says something.
globals().update(
    {each.setting: env.str(each.setting, None if each.blank else "") for each in SETTINGS}
)
