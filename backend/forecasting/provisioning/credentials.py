"""The PostgreSQL user and password: from Secret Manager into the connection, and nowhere else."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import zip_longest
from typing import cast

import google_crc32c
from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.cloud.secretmanager_v1.types import SecretPayload

from ..conf import Config
from ..errors import MissingPrerequisiteError
from ..google.clients import Clients
from ..google.errors import gather, reading
from ..google.replies import text_of


@dataclass(frozen=True, kw_only=True)
class Credential:
    """What the connection logs in with; only `versions` may be shown.

    `versions` names the secret versions that the two values were read from, each with when it was
    made where that may be seen: `POSTGRES_USER/versions/3 of 2026-03-01T10:00:00.000000Z, ...`. A
    secret that is deleted and made anew counts from 1 again.
    """

    user: str = field(repr=False)
    password: str = field(repr=False)
    versions: str


@dataclass(frozen=True, kw_only=True)
class _SecretValue:
    text: str = field(repr=False)
    version: str


def read_credential(clients: Clients, config: Config) -> Credential:
    """The newest version of the two secrets.

    Raises MissingPrerequisiteError for a secret that is missing, disabled, empty or damaged, and
    ApiError for one that may not be read.
    """
    names = (config.user_secret, config.password_secret)
    user, password = gather(partial(_read_secret, clients, config, name) for name in names)
    return Credential(
        user=user.text, password=password.text, versions=f"{user.version}, {password.version}"
    )


def _read_secret(clients: Clients, config: Config, name: str) -> _SecretValue:
    path = f"projects/{config.project}/secrets/{name}/versions/latest"
    with reading(f"Reading secret {name}", clients):
        try:
            reply = clients.surely(
                lambda: clients.secrets.access_secret_version(name=path, **clients.repeating)
            )
        except (NotFound, BadRequest) as error:
            # 400 is FAILED_PRECONDITION over REST: the newest version is disabled or destroyed,
            # and `latest` does not fall back to an older one.
            raise MissingPrerequisiteError(
                f"Secret {name} of project {config.project} has no version that can be read "
                f"({text_of(error)}): {_add_version(name, config.project)}."
            ) from error
        version = f"{name}/versions/{reply.name.rpartition('/')[2]}"
        text = _text(reply.payload, version, config.project)
        return _SecretValue(text=text, version=version + _made(clients, reply.name))


def _made(clients: Clients, version: str) -> str:
    """When a version was made; empty where the caller may read versions and not look at them."""
    try:
        found = clients.surely(
            lambda: clients.secrets.get_secret_version(name=version, **clients.repeating)
        )
    except (Forbidden, NotFound):
        return ""
    if "create_time" not in found:
        return ""
    return f" of {cast(datetime, found.create_time):%Y-%m-%dT%H:%M:%S.%fZ}"


def same_versions(recorded: str, current: str) -> bool:
    """Whether both name the same versions; one without the time it was made is any of its number.

    Whose time is not known is proved by PostgreSQL, which refuses a wrong one.
    """
    pairs = zip_longest(recorded.split(", "), current.split(", "), fillvalue="")
    return all(_same_version(*pair) for pair in pairs)


def shown_versions(versions: str, other: str = "") -> str:
    """The versions without when they were made, where the numbers tell them from others."""
    plain, other_plain = _without_times(versions), _without_times(other)
    return plain if plain != other_plain else versions


def _without_times(versions: str) -> str:
    return ", ".join(version.partition(" of ")[0] for version in versions.split(", "))


def _same_version(one: str, other: str) -> bool:
    (number, _, made), (other_number, _, other_made) = one.partition(" "), other.partition(" ")
    return number == other_number and (made == other_made or not (made and other_made))


_AT_THE_ENDS = "\r\n\ufeff"


def _text(payload: SecretPayload, version: str, project: str) -> str:
    """The payload as text, without what editors and `echo` leave at its ends: line ends, a BOM."""
    data = bytes(payload.data)
    if "data_crc32c" in payload and google_crc32c.value(data) != payload.data_crc32c:
        raise MissingPrerequisiteError(
            f"Secret version {version} arrived damaged (its CRC32C differs): run the command again."
        )
    text = _decode(data)
    if text is None:
        raise _unusable(version, "is not UTF-8 text", project)
    text = text.strip(_AT_THE_ENDS)
    if not text.strip():
        raise _unusable(version, "is empty", project)
    if "\0" in text:
        raise _unusable(version, "holds a NUL character", project)
    if "\n" in text or "\r" in text:
        raise _unusable(version, "holds several lines", project)
    return text


def _decode(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Not raised from here: that exception carries the payload, and would stay the context.
        return None


def _unusable(version: str, what: str, project: str) -> MissingPrerequisiteError:
    name = version.split("/")[0]
    return MissingPrerequisiteError(
        f"Secret version {version} {what}: {_add_version(name, project)}."
    )


def _add_version(name: str, project: str) -> str:
    return (
        f"add one with `printf %s VALUE | gcloud secrets versions add {name} --data-file=- "
        f"--project {project}` (after `gcloud secrets create {name}`, where it does not exist)"
    )
