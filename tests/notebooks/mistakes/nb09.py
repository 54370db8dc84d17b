"""Mistakes planted in the exercises of notebook 09 and of its appendix 09b (9.3 and 9.4)."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "9.1": [
        Mistake(old="return 2 * terms", new="return terms", says="two operations"),
        Mistake(old="terms = 9 * n_in", new="terms = 3 * n_in", says="9 neighbours, not 3"),
        Mistake(old="terms = 9 * n_in", new="terms = 9", says="in all `n_in` channels"),
        Mistake(old="numbers = n_out * height", new="numbers = height", says="`n_out` numbers for each pixel"),
        Mistake(old="height * width", new="height * height", says="not height squared"),
        Mistake(old="n_out * height * width", new="n_out", says="operations for one pixel"),
        Mistake(old="n_out * height * width", new="(height - 2) * n_out * (width - 2)", says="at the edge"),
        Mistake(old="2 * terms * numbers", new="(2 * terms - 1) * numbers", says="counts an addition, too"),
    ],
    "9.2": [
        Mistake(old="w.permute(2, 3, 1, 0)", new="w.permute(3, 2, 1, 0)", says="rows and columns are"),
        Mistake(old="w.permute(2, 3, 1, 0)", new="w", says="laid out anew"),
        Mistake(old="w.permute(2, 3, 1, 0)", new="w.permute(1, 2, 3, 0)", says="they come last"),
        Mistake(old="(0, 0, 1, 1, 1, 1))", new="(0, 0, 1, 1, 1, 1), value=1.0)", says="pad with zeros"),
        Mistake(
            old="i : i + height, j : j + width",
            new="2 - i : 2 - i + height, 2 - j : 2 - j + width",
            says="by half",
        ),
        Mistake(
            old="return (rows @ kernel).reshape(n, height, width, -1)",
            new="return rows @ kernel",
            says="still a matrix",
        ),
        Mistake(old="F.pad(x, (0, 0, 1, 1, 1, 1))", new="F.pad(x, (1, 1, 1, 1, 0, 0))", says="last axis first"),
        Mistake(
            old="return (rows @ kernel).reshape(n, height, width, -1)",
            new="return F.conv2d(x.movedim(-1, 1), w, padding=1).movedim(1, -1)",
            says="torch's own convolution",
        ),
        Mistake(
            old="return (rows @ kernel).reshape(n, height, width, -1)",
            new="return sum(part @ w[:, :, k // 3, k % 3].T for k, part in enumerate(shifted))",
            says="9 products made them",
        ),
    ],
    "9.3": [
        Mistake(old="2 ** (bits + 1)", new="2**bits", says="one bit too few"),
        Mistake(old="torch.round(mantissa", new="torch.trunc(mantissa", says="cut off"),
        Mistake(old="torch.round(mantissa", new="torch.floor(mantissa", says="rounded down"),
        Mistake(old=" / steps, exponent", new=", exponent", says="divide by the power"),
        Mistake(
            old="torch.ldexp(torch.round(mantissa * steps) / steps, exponent)",
            new="torch.round(mantissa * steps) / steps",
            says="the mantissas alone",
        ),
        Mistake(
            old="torch.ldexp(torch.round(mantissa * steps) / steps, exponent)",
            new="torch.round(x * steps) / steps",
            says="small numbers vanish",
        ),
        Mistake(
            old="torch.round(mantissa * steps) / steps",
            new="torch.round(mantissa, decimals=bits)",
            says="`decimals` counts decimal digits",
        ),
        Mistake(
            old="torch.round(mantissa * steps)",
            new="torch.floor(mantissa * steps + 0.5)",
            says="adding 0.5 rounds by itself",
        ),
    ],
    "9.4": [
        Mistake(old="sums.sum(dim=0) / n_tasks.sum()", new="gradients.mean(dim=0)", says="the mean of the means"),
        Mistake(old="sums.sum(dim=0) / n_tasks.sum()", new="gradients.sum(dim=0)", says="the step grows"),
        Mistake(old="n_tasks[:, None] *", new="n_tasks *", says="multiplied along the gradient"),
        Mistake(old=" / n_tasks.sum()", new="", says="divide by how many tasks"),
        Mistake(old="/ n_tasks.sum()", new="/ len(n_tasks)", says="divided by the number of ranks"),
        Mistake(old="sums.sum(dim=0)", new="sums.sum(dim=1)", says="the ranks are axis 0"),
        Mistake(old="sums.sum(dim=0)", new="n_tasks @ gradients", says="`n_tasks.to(gradients)`"),
    ],
    "9.5": [
        Mistake(old="(ms - ms_fast) / (1 - 1 / s)", new="ms - ms_fast", says="is what faster products *save*"),
        Mistake(old="(1 - 1 / s)", new="(s - 1)", says="multiply by `s`"),
        Mistake(old="(1 - 1 / s)", new="(1 - 1 / s) / ms", says="share of the step"),
        Mistake(old="(1 - 1 / s)", new="(1 + 1 / s)", says="A sign"),
        Mistake(old="flop / (products / 1e3)", new="flop / products", says="divided by milliseconds"),
        Mistake(old="flop / (products / 1e3)", new="flop / (ms / 1e3)", says="by the whole step"),
        Mistake(old="passes = 9 *", new="passes = 3 *", says="counts first order"),
        Mistake(old="passes = 9 *", new="passes = 6 *", says="6 passes come on top"),
        Mistake(old="9 * inner_steps * supports", new="9 * supports", says="in *each* inner step"),
        Mistake(old="+ 3 * queries", new="+ queries", says="one forward and two back"),
        Mistake(old="+ 3 * queries", new="+ 3 * inner_steps * queries", says="used once, at the end"),
        Mistake(old="n_tasks * passes", new="passes", says="FLOP of one task"),
        Mistake(old="ms / (ms - products)", new="ms / products", says="lets the *rest* vanish"),
        Mistake(old="ms / (ms - products)", new="ms_fast / (ms - products)", says="starts from the faster run"),
        Mistake(old="ms / (ms - products)", new="ms / ms_fast", says="`s` times as fast bring"),
    ],
    "9.6": [
        Mistake(old="draw(seed)", new="draw(0)", says="on its own inputs"),
        Mistake(
            old="theta, tasks = draw(seed)", new="theta, tasks = draw(seed)[0], draw(0)[1]", says="take new tasks"
        ),
        Mistake(
            old="theta, tasks = draw(seed)",
            new="theta, tasks = draw(0)[0], draw(seed)[1]",
            says="take new ones",
        ),
        Mistake(old=" / size", new="", says="divide by its largest entry"),
        Mistake(old="(got[name] - want[name]).abs()", new="(got[name] - want[name])", says="absolute differences"),
        Mistake(old="return max(found)", new="return found", says="should be one number"),
    ],
}
