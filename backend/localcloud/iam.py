"""Who may do what: nothing is asked until a role is given, and then everything is.

Permissions are those of Google's predefined roles, as far as the stand-in asks for them:
https://cloud.google.com/iam/docs/roles-permissions
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

CALLER = "caller@localhost.invalid"
_READ_TABLES = r"bigquery\.(datasets\.get|tables\.(get|getData|list))"
ROLES = {
    "roles/owner": r".*",
    "roles/bigquery.admin": r"bigquery\..*",
    "roles/bigquery.dataOwner": r"bigquery\.(datasets|tables)\..*",
    "roles/bigquery.dataEditor": r"bigquery\.(datasets\.(create|get)|tables\..*)",
    "roles/bigquery.dataViewer": _READ_TABLES,
    "roles/bigquery.jobUser": r"bigquery\.jobs\.create",
    "roles/bigquery.connectionAdmin": r"bigquery\.connections\..*",
    "roles/bigquery.connectionUser": r"bigquery\.connections\.(get|list|getIamPolicy|use)",
    "roles/secretmanager.admin": r"secretmanager\..*",
    "roles/secretmanager.secretAccessor": r"secretmanager\.versions\.access",
    "roles/secretmanager.viewer": r"secretmanager\.(secrets|versions)\.(get|list)",
    "roles/iam.serviceAccountUser": r"iam\.serviceAccounts\.actAs",
    "roles/iam.serviceAccountTokenCreator": r"iam\.serviceAccounts\.getAccessToken",
    "roles/cloudsql.client": r"cloudsql\.instances\.(connect|get)",
}
"""Each role with a regular expression for its permissions."""


@dataclass(frozen=True)
class Binding:
    """A role that somebody has on one resource, by the last part of its name; empty: on all."""

    member: str
    role: str
    on: str = ""


@dataclass
class Iam:
    """The roles that are given; `caller` is whose requests arrive here."""

    caller: str = f"user:{CALLER}"
    bindings: set[Binding] = field(default_factory=set)
    enforced: bool = False

    def give(self, member: str, role: str, on: str = "") -> None:
        """Give a role; from the first one on, nobody may do what no role allows."""
        if role not in ROLES:
            raise ValueError(f"the stand-in does not know {role}")
        self.bindings.add(Binding(member, role, on))
        self.enforced = True

    def take(self, member: str, role: str) -> None:
        """Take a role back, wherever it was given."""
        self.bindings -= {b for b in self.bindings if (b.member, b.role) == (member, role)}

    def reset(self) -> None:
        self.bindings.clear()
        self.enforced = False

    def allows(
        self, member: str, permission: str, *resources: str, policy: dict[str, Any] | None = None
    ) -> bool:
        """Whether a member has a permission on a resource, or by the resource's own policy.

        `resources` are the resource and what it is in.
        """
        if not self.enforced:
            return True
        given = {b.role for b in self.bindings if b.member == member and b.on in ("", *resources)}
        for binding in (policy or {}).get("bindings", []):
            if member in binding.get("members", []):
                given.add(binding.get("role", ""))
        return any(re.fullmatch(ROLES[role], permission) for role in given & set(ROLES))


def service_account(email: str) -> str:
    """A service account as a member of a policy."""
    return f"serviceAccount:{email}"
