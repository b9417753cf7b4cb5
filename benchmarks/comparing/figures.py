"""Ratios of samples that were taken in the same round, and the tables made of them."""

import math
import statistics

from comparing import targets


class Spread:
    """Median, least and greatest of some values; false if there are none."""

    def __init__(self, values):
        self.values = list(values)

    def __bool__(self):
        return bool(self.values)

    @property
    def median(self):
        return statistics.median(self.values)

    def __str__(self):
        if not self:
            return "-"
        low, high = min(self.values), max(self.values)
        if len(self.values) == 1:
            return _short(self.median)
        return f"{_short(self.median)} [{_short(low)}-{_short(high)}]"

    def json(self):
        if not self:
            return None
        return {"median": self.median, "min": min(self.values), "max": max(self.values),
                "count": len(self.values)}


def _short(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _mean(value):
    return "-" if value is None else _short(value)


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def verdict(good):
    return "met" if good else "missed"


class Samples:
    """CPU seconds by (side, bits, workload, round)."""

    def __init__(self):
        self.cpu = {}
        self.operations = {}
        self.rounds = 0

    def add(self, side, bits, workload, number, sample):
        # The host's own figure counts the children; a guest's process has none.
        seconds = sample["own_cpu_s"] if side == "native" else sample["cpu_s"]
        self.cpu[side, bits, workload, number] = seconds
        self.operations[bits, workload] = sample["operations"]
        self.rounds = max(self.rounds, number + 1)

    def seconds(self, side, bits, workload):
        return Spread(self.cpu[key] for number in range(self.rounds)
                      if (key := (side, bits, workload, number)) in self.cpu)

    def ratio(self, above, below, bits, workload, other=None):
        """Of `workload` on side `above` to `other` (or the same) on side `below`, by rounds."""
        values = []
        for number in range(self.rounds):
            a = self.cpu.get((above, bits, workload, number))
            b = self.cpu.get((below, bits, other or workload, number))
            if a and b:
                values.append(a / b)
        return Spread(values)

    def mean(self, above, below, bits, workloads):
        """The geometric mean of medians, or None where a workload is missing."""
        ratios = [self.ratio(above, below, bits, workload) for workload in workloads]
        return geometric_mean([r.median for r in ratios]) if all(ratios) else None




def print_table(rows, heading):
    widths = [max(len(str(row[i])) for row in [heading, *rows]) for i in range(len(heading))]
    for row in [heading, *rows]:
        cells = [str(cell).ljust(w) if i == 0 else str(cell).rjust(w)
                 for i, (cell, w) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
    print()


def workload_table(samples, bits, workloads):
    """One row a workload; returns them for the summary too."""
    rows, found = [], {}
    for workload in workloads:
        ratios = {f"{a}:{b}": samples.ratio(a, b, bits, workload)
                  for a, b in (("doppel", "native"), ("TCG", "native"), ("TCG", "doppel"))}
        seconds = {side: samples.seconds(side, bits, workload) for side in ("native", "TCG", "doppel")}
        if not any(seconds.values()):
            continue
        slower = ratios["TCG:doppel"] and ratios["TCG:doppel"].median < 1
        rows.append([workload, *(f"{s.median:.3f}" if s else "-" for s in seconds.values()),
                     *ratios.values(), "slower than TCG" if slower else ""])
        found[workload] = {name: ratio.json() for name, ratio in ratios.items()}
    if rows:
        print_table(rows, [f"{bits}-bit", "native s", "TCG s", "doppel s", "doppel:native", "TCG:native",
                           "TCG:doppel", ""])
    return found


CLASS_HEADING = ["geometric means", "TCG:native", "doppel:native", "target", "", "TCG:doppel", "target", ""]


def class_rows(samples, all_bits):
    """Geometric means of the classes that are complete, under CLASS_HEADING."""
    rows, found = [], []
    for one in targets.CLASSES:
        if one.bits not in all_bits:
            continue
        to_native = samples.mean("doppel", "native", one.bits, one.workloads)
        tcg_to_native = samples.mean("TCG", "native", one.bits, one.workloads)
        to_tcg = samples.mean("TCG", "doppel", one.bits, one.workloads)
        if to_native is None and tcg_to_native is None and to_tcg is None:
            continue
        rows.append([f"{one.name} {one.bits} ({len(one.workloads)})",
                     _mean(tcg_to_native),
                     _mean(to_native), f"<= {one.at_most:g}",
                     "" if to_native is None else verdict(to_native <= one.at_most),
                     _mean(to_tcg), f">= {one.at_least:g}",
                     "" if to_tcg is None else verdict(to_tcg >= one.at_least)])
        found.append({"class": one.name, "bits": one.bits, "doppel:native": to_native,
                      "TCG:native": tcg_to_native, "TCG:doppel": to_tcg})
    return rows, found


def alias_rows(samples, all_bits):
    """The worst pair of buffers against the ordinary pair."""
    rows, found = [], []
    for bits in all_bits:
        for side in ("native", "TCG", "doppel"):
            ratios = {name: ratio for name in targets.ALIASES
                      if (ratio := samples.ratio(side, side, bits, name, "copymem"))}
            if not ratios:
                continue
            worst = max(ratios, key=lambda name: ratios[name].median)
            judged = side == "doppel"
            rows.append([f"worst alias {bits} {side}: {worst}:copymem", ratios[worst],
                         f"<= {targets.ALIAS_AT_MOST:g}" if judged else "",
                         verdict(ratios[worst].median <= targets.ALIAS_AT_MOST) if judged else ""])
            found.append({"bits": bits, "side": side, **{n: r.json() for n, r in ratios.items()}})
    return rows, found


def operation_rows(samples, all_bits):
    """Nanoseconds of processor time for each operation, where a workload counted them."""
    rows = []
    for bits in all_bits:
        for (of_bits, workload), operations in samples.operations.items():
            if of_bits != bits or not operations:
                continue
            row = [f"{workload} {bits}"]
            for side in ("native", "TCG", "doppel"):
                seconds = samples.seconds(side, bits, workload)
                row.append(f"{seconds.median / operations * 1e9:.0f}" if seconds else "-")
            rows.append(row)
    return rows


def translation_rows(samples, all_bits):
    rows = []
    for bits in all_bits:
        operations = samples.operations.get((bits, "jitcold"))
        for side in ("TCG", "doppel"):
            seconds = samples.seconds(side, bits, "jitcold")
            if not operations or not seconds:
                continue
            ns = Spread(value / operations * 1e9 for value in seconds.values)
            limit = targets.TRANSLATION_NS_AT_MOST
            judged = side == "doppel"
            rows.append([f"new code {bits} {side}, ns an instruction", ns,
                         f"<= {limit}" if judged else "", verdict(ns.median <= limit) if judged else ""])
    return rows
