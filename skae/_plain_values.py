"""Names and categories as text, and back: for files, which must name only public classes.

They are written as JSON. A type unknown to JSON, such as a date, becomes a dict whose only key
names the type. Objects unknown here, such as a user's, stay as they are.
"""

import datetime
import importlib
import json
import sys
from decimal import Decimal

JSON_KNOWS = (str, int, float, bool, type(None))


class NotPlainError(TypeError):
    """A value that text cannot represent exactly."""


def as_text(values):
    """A list of values as text or, if that is impossible, unchanged."""
    try:
        return json.dumps([_tagged(value) for value in values])
    except NotPlainError:
        return list(values)


def from_text(text):
    """The list of values from the result of `as_text`."""
    return json.loads(text, object_hook=_untagged) if isinstance(text, str) else list(text)


def _tagged(value):
    if type(value) in JSON_KNOWS:
        return value
    for tag, (cls, arguments, back) in {**PLAIN, **_of_pandas()}.items():
        if type(value) is cls:
            tagged = {tag: [_tagged(argument) for argument in arguments(value)]}
            if repr(back(*arguments(value))) == repr(value):  # a time zone may prevent this
                return tagged
    raise NotPlainError(f"{value!r} cannot be represented as text.")


def _untagged(tagged):
    [(tag, arguments)] = tagged.items()
    if tag not in PLAIN:
        importlib.import_module("pandas")
    return {**PLAIN, **_of_pandas()}[tag][2](*arguments)


def _span(value):
    return value.days, value.seconds, value.microseconds


PLAIN = {
    "tuple": (tuple, list, lambda *items: items),
    "date": (datetime.date, lambda day: [day.isoformat()], datetime.date.fromisoformat),
    "time": (datetime.time, lambda time: [time.isoformat()], datetime.time.fromisoformat),
    "datetime": (
        datetime.datetime,
        lambda time: [time.isoformat()],
        datetime.datetime.fromisoformat,
    ),
    "timedelta": (datetime.timedelta, _span, datetime.timedelta),
    "decimal": (Decimal, lambda number: [str(number)], Decimal),
}


def _of_pandas():
    """The same for classes of pandas, if it has been imported."""
    pd = sys.modules.get("pandas")
    if pd is None:
        return {}
    return {
        "timestamp": (pd.Timestamp, _moment, lambda *parts: _timestamp(pd, *parts)),
        "pandas timedelta": (
            pd.Timedelta,
            lambda span: [span.isoformat(), span.unit],
            lambda text, unit: pd.Timedelta(text).as_unit(unit),
        ),
        "interval": (
            pd.Interval,
            lambda interval: [*map(_native, (interval.left, interval.right)), interval.closed],
            pd.Interval,
        ),
        "missing": (type(pd.NA), lambda _: ["NA"], lambda _: pd.NA),
        "missing time": (type(pd.NaT), lambda _: ["NaT"], lambda _: pd.NaT),
    }


def _native(number):
    return number.item() if hasattr(number, "item") else number


def _moment(time):
    """A time in UTC, as time zones have hours that occur twice."""
    zone = time.tz and str(time.tz)
    utc = time.tz_convert("UTC").tz_localize(None) if zone else time
    return [utc.isoformat(), time.unit, zone]


def _timestamp(pd, text, unit, zone):
    time = pd.Timestamp(text).as_unit(unit)
    return time.tz_localize("UTC").tz_convert(zone) if zone else time
