"""The figures of a demo run as text."""

from lpu.agreement import summarize


def _table(rows: list[tuple]) -> list[str]:
    """A label and its columns, columns right-aligned."""
    columns = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(columns[0]), *(cell.rjust(width) for cell, width in zip(row[1:], columns[1:], strict=True))])
            for row in rows]


def entry_rows(stats: dict, lengths: dict[str, int], clock_hz: int, runs: dict[str, int]) -> list[tuple]:
    """A column an entry, in the order of `lengths`, its tokens of one run."""
    entries = {name: stats["entries"][name] for name in lengths}

    def row(label: str, text) -> tuple:
        return (label, *(text(name, entry) for name, entry in entries.items()))

    return [
        row("entry", lambda name, entry: name),
        row("tokens a run", lambda name, entry: str(lengths[name])),
        row("cycles", lambda name, entry: f"{entry['cycles']:,}"),
        row("cycles a token", lambda name, entry: f"{entry['cycles'] / lengths[name]:,.0f}"),
        row(f"tokens/s at {clock_hz / 1e6:.0f} MHz",
            lambda name, entry: f"{lengths[name] * clock_hz / entry['cycles']:,.0f}"),
        row("proved lower bound", lambda name, entry: f"{entry['lower_bound']:,}"),
        row("achieved / bound", lambda name, entry: f"{entry['ratio']:.3f}"),
        row("bound of its chains", lambda name, entry: f"{entry['chain_bound']:,}"),
        row("weight entry in use", lambda name, entry: f"{entry['utilization'].get('mxm weights', 0):.1%}"),
        row("instructions", lambda name, entry: f"{entry['instructions']:,}"),
        row("instruction bytes", lambda name, entry: f"{entry['instruction_bytes']:,}"),
        row("runs in this demo", lambda name, entry: f"{runs.get(name, 0):,}"),
    ]


def memory_lines(sram: dict) -> list[str]:
    lines = [f"SRAM: {sram['used']:,} of {sram['capacity']:,} bytes ({sram['used'] / sram['capacity']:.1%})"]
    kinds = sorted(sram["by_kind"].items(), key=lambda item: -item[1])
    return [*lines, *_table([(f"  {kind}", f"{size:,}") for kind, size in kinds])]


def format_report(stats: dict, lengths: dict[str, int], clock_hz: int, agreement: dict) -> str:
    """`stats` is stats.json with the member `run`."""
    run, compile_ = stats["run"], stats["compile"]
    return "\n".join([
        *_table(entry_rows(stats, lengths, clock_hz, run["runs"])),
        "",
        *memory_lines(stats["sram"]),
        "",
        f"executor: {run['tokens']} tokens, {run['tokens_per_second']:.1f} tokens/s; cycles as promised in every run",
        f"hazards {run['hazards']}, saturations {run['saturations']}"
        + "".join(f"; {name}: {count}" for name, count in run["saturated"].items()),
        f"compile: {compile_['seconds']:.1f} s, peak memory {compile_['peak_rss_bytes'] / 1e9:.2f} GB",
        "agreement with onnxruntime: " + summarize(agreement),
    ])
