"""Project numbers, and the resource names that carry them."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from backend.localcloud.http.errors import InvalidArgument

PROJECT_ID = re.compile(r"[a-z0-9:.-]+\Z|\d+\Z")


def project_number(project: str) -> str:
    """The number of a project: twelve digits, the same in every process."""
    return str(100_000_000_000 + zlib.crc32(project.encode()) * 200)


@dataclass
class Projects:
    """Which projects have been named, so that their numbers can be told apart."""

    ids: dict[str, str] = field(default_factory=dict)

    def number(self, project: str) -> str:
        return project_number(self.resolve(project))

    def resolve(self, project: str) -> str:
        """The id of a project given by id or by number; an unknown number stands for itself."""
        if project.isdigit():
            return self.ids.get(project, project)
        self.ids[project_number(project)] = project
        return project


@dataclass(frozen=True)
class Place:
    """Where a resource lives: project id and location, in lower case as Google compares it."""

    project: str
    location: str


NAME = re.compile(r"projects/(?P<project>[^/]+)(?:/locations/(?P<location>[^/]+))?(?P<rest>/.+)?\Z")


def split_name(name: str, projects: Projects) -> tuple[Place, list[str]]:
    """`projects/P/locations/L/a/b` as its place and ["a", "b"]; without a location it is US.

    Region-less Data Transfer names mean US:
    https://cloud.google.com/bigquery/docs/reference/datatransfer/rest
    """
    match = NAME.match(name)
    if match is None:
        raise InvalidArgument(f"Invalid resource name: {name}")
    place = Place(projects.resolve(match["project"]), (match["location"] or "us").lower())
    return place, (match["rest"] or "").strip("/").split("/")
