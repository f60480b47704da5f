"""What bench measured, as text, as JSON, as a page with plots."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grpc_mqtt.cli.bench import Result

_PERCENTILES = (10, 25, 50, 75, 90, 95, 99, 99.9)
_BUCKETS = 10
_BAR = 40


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of sorted values: the smallest that `share` per cent of them do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def histogram(ordered: Sequence[float], buckets: int = _BUCKETS) -> list[tuple[float, int]]:
    """(upper end, how many) of buckets of equal width from the least to the greatest."""
    low, high = ordered[0], ordered[-1]
    step = (high - low) / buckets or 1e-9
    counts = [0] * buckets
    for value in ordered:
        counts[min(int((value - low) / step), buckets - 1)] += 1
    return [(low + step * (at + 1), count) for at, count in enumerate(counts)]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def as_json(result: Result) -> dict[str, Any]:
    ordered = sorted(result.latencies)
    shown: dict[str, Any] = {
        "what": result.title,
        "date": datetime.fromtimestamp(result.began, timezone.utc).isoformat(timespec="seconds"),
        "concurrency": result.concurrency,
        "count": result.count,
        "responses": result.responses,
        "total_s": round(result.took, 6),
        "rps": round(result.count / result.took, 2) if result.took else None,
        "statuses": dict(result.codes),
        "errors": dict(result.errors),
    }
    if ordered:
        shown["latency_ms"] = {
            "fastest": _ms(ordered[0]),
            "average": _ms(sum(ordered) / len(ordered)),
            "slowest": _ms(ordered[-1]),
            **{f"p{share:g}": _ms(percentile(ordered, share)) for share in _PERCENTILES},
        }
        shown["histogram"] = [
            {"up_to_ms": _ms(end), "count": count} for end, count in histogram(ordered)
        ]
    return shown


def _summary(shown: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("Count", f"{shown['count']}"),
        ("Total", f"{shown['total_s']:.2f} s"),
        ("Calls/s", f"{shown['rps']}"),
    ]
    if "latency_ms" in shown:
        rows[2:2] = [
            (name.capitalize(), f"{shown['latency_ms'][name]:.2f} ms")
            for name in ("slowest", "fastest", "average")
        ]
    if shown["responses"] > shown["statuses"].get("OK", 0):
        rows.append(("Responses", f"{shown['responses']}"))
    return rows


def as_text(result: Result) -> str:
    shown = as_json(result)
    lines = ["Summary:", *(f"  {name + ':':<12}{value}" for name, value in _summary(shown))]
    if "histogram" in shown:
        most = max(bucket["count"] for bucket in shown["histogram"])
        lines += ["", "Response time histogram:"]
        for bucket in shown["histogram"]:
            stars = "∎" * round(bucket["count"] / most * _BAR)
            lines.append(f"  {bucket['up_to_ms']:10.3f} ms [{bucket['count']}]\t|{stars}")
        lines += ["", "Latency distribution:"]
        for share in _PERCENTILES:
            lines.append(f"  {share:g} % in {shown['latency_ms'][f'p{share:g}']:.2f} ms")
    lines += ["", "Status code distribution:"]
    for name, count in result.codes.most_common():
        lines.append(f"  [{name}]\t{count} responses")
    if result.errors:
        lines += ["", "Error distribution:"]
        for text, count in result.errors.most_common(10):
            lines.append(f"  [{count}]\t{text}")
    return "\n".join(lines)


# ---- The page

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 60em; color: #222; }}
table {{ border-collapse: collapse; margin: 0 2em 1em 0; }}
td, th {{ padding: .2em 1em .2em 0; text-align: left; border-bottom: 1px solid #ddd; }}
svg {{ width: 100%; height: auto; }} text {{ font: 12px system-ui, sans-serif; fill: #555; }}
.mark {{ fill: #3b7dd8; }} .axis {{ stroke: #bbb; fill: none; }}
.tables {{ display: flex; flex-wrap: wrap; }}
</style></head><body><h1>{title}</h1><p>{date}, {concurrency} at a time</p>
<div class="tables">{tables}</div>{plots}</body></html>
"""
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 900, 300, 80, 35, 40, 15
_POINTS_MAX = 3000


def _table(head: str, rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table><tr><th colspan=2>{html.escape(head)}</th></tr>{cells}</table>"


def _frame(title: str, inside: str, across: Sequence[tuple[float, str]], most: str) -> str:
    """A plot; `across` are (0 to 1, label)."""
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP
    labels = "".join(
        f'<text x="{_LEFT + at * width:.1f}" y="{_HEIGHT - 15}" text-anchor="middle">'
        f"{html.escape(label)}</text>"
        for at, label in across
    )
    return (
        f"<h2>{html.escape(title)}</h2>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><path class="axis" d="M{_LEFT} {_TOP}'
        f'v{height}h{width}"/>{inside}{labels}'
        f'<text x="{_LEFT - 5}" y="{_TOP + 10}" text-anchor="end">{html.escape(most)}</text>'
        f'<text x="{_LEFT - 5}" y="{_TOP + height}" text-anchor="end">0</text></svg>'
    )


def _bars(shown: dict[str, Any]) -> str:
    buckets = shown["histogram"]
    most = max(bucket["count"] for bucket in buckets)
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP
    slot = width / len(buckets)
    marks = ""
    for at, bucket in enumerate(buckets):
        tall = bucket["count"] / most * height
        marks += (
            f'<rect class="mark" x="{_LEFT + at * slot + 2:.1f}" '
            f'y="{_TOP + height - tall:.1f}" width="{slot - 4:.1f}" height="{tall:.1f}">'
            f"<title>up to {bucket['up_to_ms']} ms: {bucket['count']}</title></rect>"
        )
    across = [((at + 1) / len(buckets), f"{b['up_to_ms']:.2f}") for at, b in enumerate(buckets)]
    return _frame("Latency, ms (how many calls)", marks, across, str(most))


def _points(result: Result) -> str:
    """Each call: when it ended, how long it took."""
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - _TOP
    slowest, last = max(result.latencies), max(result.ends) or 1e-9
    step = max(1, len(result.ends) // _POINTS_MAX)
    pairs = list(zip(result.ends, result.latencies, strict=True))[::step]
    marks = "".join(
        f'<circle class="mark" r="1.5" cx="{_LEFT + at / last * width:.1f}" '
        f'cy="{_TOP + height - took / slowest * height:.1f}"/>'
        for at, took in pairs
    )
    across = [(share, f"{share * last:.2f} s") for share in (0, 0.25, 0.5, 0.75, 1)]
    return _frame("Calls over time", marks, across, f"{_ms(slowest):g} ms")


def as_html(result: Result) -> str:
    """One file, without scripts."""
    shown = as_json(result)
    tables = _table("Summary", _summary(shown))
    plots = ""
    if "latency_ms" in shown:
        rows = [
            (f"{share:g} %", f"{shown['latency_ms'][f'p{share:g}']:.2f} ms")
            for share in _PERCENTILES
        ]
        tables += _table("Latency", rows)
        plots = _bars(shown) + _points(result)
    tables += _table("Statuses", [(name, str(count)) for name, count in result.codes.items()])
    if result.errors:
        rows = [(text, str(count)) for text, count in result.errors.most_common(20)]
        tables += _table("Errors", rows)
    return _PAGE.format(
        title=html.escape(shown["what"]),
        date=shown["date"],
        concurrency=shown["concurrency"],
        tables=tables,
        plots=plots,
    )
