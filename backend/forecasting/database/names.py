"""The names of the entities, as Django reads them."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import Error, transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from ..conf import Config
from .lookups import value_field
from .mapping import load_mapping
from .source import why_out_of_reach


def read_names(config: Config, entity_ids: Iterable[str]) -> dict[str, str]:
    """The names of those that have one and can be reached, by what the training table calls them.

    Raises SettingError where the settings that describe the source fit no model.
    """
    mapping = load_mapping(config)
    names = mapping.entity_names
    if names is None or why_out_of_reach(config):
        return {}
    keys = dict(_keys(names.model._meta.get_field(names.key), entity_ids))
    # As the load makes it text: PostgreSQL finds keys that are written otherwise, and pads some.
    key = Cast(names.key, TextField())
    entities = names.model._base_manager.using(mapping.database)
    try:
        with transaction.atomic(using=mapping.database):
            found = list(
                entities.filter(**{f"{names.key}__in": [*keys]}).values_list(key, names.path)
            )
    except Error:
        return {}
    asked = {*keys.values()}
    return {key: str(name) for key, name in found if key in asked and name is not None}


def _keys(field: Any, entity_ids: Iterable[str]) -> Iterator[tuple[Any, str]]:
    """The ids as the field's values; not what its column can never have held."""
    for entity_id in entity_ids:
        try:
            key = value_field(field).to_python(entity_id)
        except ValidationError:
            continue
        if str(key) == entity_id and "\0" not in entity_id:
            yield key, entity_id
