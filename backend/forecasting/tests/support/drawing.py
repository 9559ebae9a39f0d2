"""Charts that are drawn once for what they show: tests look at the same ones over and over."""

import json
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import vl_convert
from altair.utils import schemapi

from backend.forecasting.output import charts

_MOST = 1000
"""Drawings that are kept, of some 20 kB each."""

_DRAWN: dict[tuple[object, object], Any] = {}


@contextmanager
def drawing_once() -> Iterator[None]:
    """What has been drawn is remembered, a report by its figures and each chart by what it says.

    A chart that is drawn is checked when it is whole, and not each part of it as well.
    """
    report = _once(charts.draw_report, lambda data: pickle.dumps(data))
    convert = _once(vl_convert.vegalite_to_svg, lambda spec, **how: json.dumps([spec, how]))
    with (
        patch.object(charts, "draw_report", report),
        patch.object(vl_convert, "vegalite_to_svg", convert),
        schemapi.debug_mode(False),
    ):
        yield


def _once(draw: Callable[..., Any], key: Callable[..., object]) -> Callable[..., Any]:
    def drawn(*given: Any, **how: Any) -> Any:
        place = draw, key(*given, **how)
        if place not in _DRAWN:
            if len(_DRAWN) >= _MOST:
                _DRAWN.clear()
            _DRAWN[place] = draw(*given, **how)
        return _DRAWN[place]

    return drawn
