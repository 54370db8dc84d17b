"""Mistakes planted in the exercises of notebook 04."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "4.1": [
        Mistake(old="return factor * query", new="return query", says="alone, the first-order answer"),
        Mistake(old="query.slope(phi)", new="query.slope(theta)", says="at φ, not at θ"),
        Mistake(old="query.slope(phi)", new="support.slope(phi)", says="not of the support loss"),
        Mistake(old="1 - inner_lr", new="1 + inner_lr", says="*against* the gradient"),
        Mistake(old="factor = factor * (", new="factor = (", says="the factor only one"),
        Mistake(old="inner_lr * support.slope(phi)", new="inner_lr * support.slope(theta)", says="not at θ again"),
        Mistake(
            old="inner_lr * support.curvature", new="inner_lr * query.curvature", says="the support's curvature"
        ),
        Mistake(old="phi = phi - inner_lr", new="phi = phi + inner_lr", says="up the hill"),
    ],
    "4.2": [
        Mistake(old="g @ b.T", new="g @ b", says="`b.T`"),
        Mistake(old="a.T @ g", new="a @ g", says="`a.T`"),
        Mistake(old="g @ b.T", new="b.T @ g", says="g on the left"),
        Mistake(old="g @ b.T", new="b @ g.T", says="of shape (j, n)"),
        Mistake(old="a.T @ g", new="g.T @ a", says="of shape (k, j)"),
        Mistake(old="g @ b.T, a.T @ g", new="a.T @ g, g @ b.T", says="two are swapped"),
        Mistake(old="g @ b.T, a.T @ g", new="g * b, g * a", says="the rule of `*`"),
    ],
    "4.3": [
        Mistake(old="g.ndim - len(shape)", new="0", says="put in front"),
        Mistake(old="g = g.sum(", new="g = g.mean(", says="the mean over the copies"),
        Mistake(old="if size == 1", new="if size == 0", says="stretched too"),
        Mistake(old=", keepdims=True", new="", says="keep it, with"),
        Mistake(old="g = g.sum(axis=tuple(range(extra)))", new="g = g[0] if extra else g", says="first copy only"),
    ],
    "4.4": [
        Mistake(old="grad(f)(p)", new="grad(f)(params)", says="came out as zero"),
        Mistake(old=" * v[name]", new="", says="a vector of ones"),
        Mistake(old="gradient[name] * v", new="gradient[name].value * v", says="without a history"),
        Mistake(old="(gradient[name] * v[name]).sum()", new="gradient[name] * v[name]", says="`.sum()` each"),
        Mistake(old="* v[name]", new="* gradient[name]", says="the gradient by itself"),
        Mistake(old="grad(slope_along_v)(params)", new="grad(slope_along_v)(v)", says="the Hessian at v"),
        Mistake(old="grad(slope_along_v)(params)", new="slope_along_v(params)", says="one number"),
        Mistake(old="grad(slope_along_v)(params)", new="grad(f)(params)", says="differentiate once more"),
    ],
    "4.5": [
        Mistake(old="in reversed(points)", new="in points", says="the wrong order"),
        Mistake(
            old="times_hessian(support_loss, p, u)",
            new="times_hessian(support_loss, theta, u)",
            says="its own Hessian",
        ),
        Mistake(
            old="times_hessian(support_loss, p, u)",
            new="times_hessian(query_loss, p, u)",
            says="down the support loss",
        ),
        Mistake(old="u[name] - inner_lr * hu[name]", new="u[name] + inner_lr * hu[name]", says="yours has a plus"),
        Mistake(old="grad(query_loss)(p)", new="grad(query_loss)(theta)", says="where the steps end"),
        Mistake(old="in reversed(points)", new="in []", says="u alone"),
    ],
}
