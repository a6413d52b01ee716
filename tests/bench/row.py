"""A measured figure, and what it is held against."""

import dataclasses


@dataclasses.dataclass
class Row:
    """ours and theirs in one unit; the ratio is ours to theirs, or theirs to ours where more is better."""
    what: str
    ours: float
    theirs: float
    unit: str
    against: str
    aim: float | None       # the ratio that is wanted; None: there is none
    more_is_better: bool = False
    aim_text: str = ""
    within: float = 0       # both ways: the ratio is to be that near to 1
    paired: tuple | None = None  # (ratio, its standard error) of turns beside each other, where these say more than the figures'

    @property
    def ratio(self):
        return self.paired[0] if self.paired else self.ours / self.theirs

    @property
    def ratio_text(self):
        return f"{self.ratio:.3g}" + (f" ± {self.paired[1]:.1g}" if self.paired else "")

    @property
    def met(self):
        if self.within:
            return "yes" if abs(self.ratio - 1) <= self.within else "**no**"
        if self.aim is None:
            return "-"
        return "yes" if (self.ratio >= self.aim if self.more_is_better else self.ratio <= self.aim) else "**no**"

    @staticmethod
    def number(value):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    def cells(self):
        sign = ">=" if self.more_is_better else "<="
        if self.within:
            self.aim_text, self.aim = f"{1 - self.within:g} to {1 + self.within:g}", 1
        aim = "-" if self.aim is None else self.aim_text or f"{sign} {self.aim:g}"
        return (self.what, f"{self.number(self.ours)} {self.unit}", self.against,
                f"{self.number(self.theirs)} {self.unit}", self.ratio_text, aim,
                self.met)
