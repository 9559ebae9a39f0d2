"""The discovery documents, and the refusal of what they do not have."""

from __future__ import annotations

from typing import Any

import pytest
from googleapiclient.discovery import build_from_document  # type: ignore[import-untyped]

from backend.localcloud.http.discovery import check_resource, packaged
from backend.localcloud.http.errors import InvalidArgument
from backend.localcloud.server import LocalCloud
from backend.localcloud.tests.conftest import Send


def test_document__of_bigquery_points_here(cloud: LocalCloud, send: Send) -> None:
    found = send("GET", "/$discovery/rest", params={"version": "v2"}).json()
    assert (found["name"], found["rootUrl"]) == ("bigquery", f"{cloud.endpoint}/")
    assert found["baseUrl"] == f"{cloud.endpoint}/bigquery/v2/"
    assert send("GET", "/discovery/v1/apis/bigquery/v2/rest").json() == found


def test_document__of_v1_holds_both_services(cloud: LocalCloud, send: Send) -> None:
    found = send("GET", "/$discovery/rest?version=v1").json()
    both = found["resources"]["projects"]["resources"]["locations"]["resources"]
    assert {"connections", "transferConfigs", "dataSources"} <= set(both)
    assert {"Connection", "TransferConfig"} <= set(found["schemas"])
    assert found["rootUrl"] == f"{cloud.endpoint}/"


def test_document__can_be_built_from(cloud: LocalCloud, send: Send) -> None:
    for version in ("v1", "v2"):
        document = send("GET", "/$discovery/rest", params={"version": version}).json()
        assert build_from_document(document, http=object()).projects()


def test_document__of_another_version_is_not_found(send: Send) -> None:
    assert send("GET", "/$discovery/rest?version=v3").status_code == 404


def test_packaged__is_left_as_it_is(send: Send) -> None:
    send("GET", "/$discovery/rest?version=v1")
    schemas = packaged("bigqueryconnection.v1")["schemas"]
    assert "TransferConfig" not in schemas


@pytest.mark.parametrize(
    "body",
    [
        {"nope": 1},
        {"tableReference": {"nope": 1}},
        {"schema": {"fields": [{"name": "a", "fields": [{"nope": 1}]}]}},
        {"schema": []},
        {"description": {}},
        {"labels": {"a": {}}},
        {"schema": {"fields": "a"}},
    ],
)
def test_check_resource__refuses(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        check_resource("Table", body)


def test_check_resource__takes_what_the_document_has() -> None:
    check_resource("Table", {"labels": {"a": "b"}, "description": None, "expirationTime": "5"})
