"""Devices by name, or by numbers of one's own: what they sustain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix_entropy.base.yaml_files import read_yaml
from matrix_entropy.estimate.cost import Work
from matrix_entropy.models.placement import BYTES

TABLE = Path(__file__).with_name("devices.yaml")
OWN = "numbers of the configuration"


@dataclass(frozen=True)
class Device:
    """Sustained rates of a device and of the CPU cores beside it."""

    name: str
    rates: dict[str, float]  # FLOP a second, by type
    bandwidth: float  # bytes a second
    memory: float  # bytes
    disk: float  # bytes a second
    cores: int
    gpu: bool
    source: str

    def seconds(self, work: Work, dtype: str) -> float:
        """``flops / rate + bytes moved / bandwidth``: one after another, as kernels run.

        The second term is what makes a narrow model run at a lower rate than a wide one: its share
        falls with the width.
        """
        return work.flops / self.rates[dtype] + BYTES[dtype] * work.moved / self.bandwidth


def known_devices() -> dict[str, dict[str, Any]]:
    """The table of devices, as it is written."""
    table: dict[str, dict[str, Any]] = read_yaml(TABLE)
    return table


def device_of(chosen: str | dict[str, Any]) -> Device:
    """The device that the configuration's ``device:`` names, or whose rates it gives.

    Of a device's own numbers ``float32`` (FLOP a second that are sustained) is needed; the other
    types are as fast unless said, and the rest is that of the H100's node.
    """
    if isinstance(chosen, str):
        entry = known_devices()[chosen]
        share = entry["share"]
        rates = {dtype: peak * share[dtype] for dtype, peak in entry["peak"].items()}
        bandwidth, name, source = entry["bandwidth"] * share["bandwidth"], chosen, entry["source"]
    else:
        entry = known_devices()["h100"] | chosen
        rates = {dtype: chosen.get(dtype, chosen["float32"]) for dtype in BYTES}
        bandwidth, name, source = entry["bandwidth"], "own", OWN
    rest = {key: entry[key] for key in ("memory", "disk", "cores", "gpu")}
    return Device(name=name, rates=rates, bandwidth=bandwidth, source=source, **rest)
