"""Which quantised file ships, and the table that shows why. Needs nothing but Python, so that its tests run anywhere."""

REFUSED = 3  # exit code of a refusal; an error's is 1

WORTH = 0.9  # of the float file's time; nearer to it is the noise of a busy machine


def show(names: list[str], rows: list[dict], ms: list[float]) -> str:
    """The table: a line a file, a column a figure, and the time of one picture."""
    lines = [f"{'':12}" + "".join(f"{k:>13}" for k in rows[0]) + f"{'ms':>9}"]
    for name, row, each in zip(names, rows, ms):
        lines.append(f"{name:12}" + "".join(f"{v:13.4f}" for v in row.values()) + f"{each:9.2f}")
    return "\n".join(lines)


def verdict(rows: list[dict], ms: list[float], most: float) -> tuple[int, float, str | None]:
    """Judges figures (0..1, by name) and milliseconds of files, the float file first.

    Returns the row to ship, the most it loses of any figure, and None; or, if none may ship, the row with the best
    figures, its loss, and the reason.
    """

    def lost(row: int) -> float:
        return max(rows[0][k] - rows[row][k] for k in rows[0])

    def quality(row: int) -> float:
        return sum(rows[row].values())

    made = range(1, len(rows))
    good = [i for i in made if lost(i) <= most and ms[i] < WORTH * ms[0]]
    if good:
        best = max(good, key=quality)
        return best, lost(best), None
    best = max(made, key=quality)
    if lost(best) > most:
        return best, lost(best), f"it loses {lost(best):.4f} of the float file's figure, at most {most} is allowed"
    return best, lost(best), (f"it takes {ms[best]:.2f} ms, the float file {ms[0]:.2f} ms; "
                              f"a file ships where it takes less than {WORTH:.0%} of that")
