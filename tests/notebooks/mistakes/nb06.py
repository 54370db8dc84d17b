"""Mistakes planted in the exercises of notebook 06 and of its appendix 06b (6.4 and 6.5)."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "6.1": [
        Mistake(old="stop_gradient(phi)", new="phi", says="second-order gradient"),
        Mistake(old="stop_gradient(phi)", new="stop_gradient(theta)", says="where the last step ended"),
        Mistake(old="    return phi", new="    return stop_gradient(phi)", says="no longer depends on θ"),
        Mistake(old="    return phi", new="", says="did you forget `return`?"),
    ],
    "6.2": [
        Mistake(old="1 if first_order else 2", new="2 if first_order else 1", says="exchanged"),
        Mistake(old="(1 if first_order else 2)", new="1", says="a second time"),
        Mistake(old=" ** inner_steps", new="", says="taken to that power"),
        Mistake(
            old="(1 - inner_lr * curvatures) ** inner_steps",
            new="(1 - inner_lr * inner_steps * curvatures)",
            says="multiplies the rate",
        ),
        Mistake(old="curvatures * share_left", new="share_left", says="curvature is missing"),
        Mistake(old=" / np.sum(weight)", new="", says="divide by the sum"),
    ],
    "6.3": [
        Mistake(old="(middle - theta[name])", new="middle", says="minus θ"),
        Mistake(old="theta[name] + meta_lr", new="theta[name] - meta_lr", says="walk away"),
        Mistake(old="np.mean(", new="np.sum(", says="lies far from all"),
        Mistake(old="np.mean([phi[name] for phi in adapted], axis=0)", new="adapted[-1][name]", says="last task"),
        Mistake(old="theta[name] + meta_lr", new="meta_lr", says="the step alone"),
        Mistake(old="new = {}", new="new = theta", says="in place"),
        Mistake(old=", axis=0)", new=")", says="`axis=0`"),
    ],
    "6.4": [
        Mistake(old="(inner_steps - 1) / 2", new="inner_steps / 2", says="count a half"),
        Mistake(old="(inner_steps - 1) / 2", new="(inner_steps - 1)", says="counted twice"),
        Mistake(old="inner_steps * (inner_steps - 1) / 2", new="inner_steps - 1", says="step 3 has two"),
        Mistake(old="inner_steps * avg_grad", new="avg_grad", says="brings a gradient"),
        Mistake(old="- inner_lr * pairs", new="+ inner_lr * pairs", says="moved down"),
        Mistake(old="inner_lr * pairs", new="pairs", says="is missing"),
    ],
    "6.5": [
        Mistake(old="inner_adam(theta, moments,", new="inner_adam(theta, adam.init(theta),", says="is wiped"),
        Mistake(
            old="inner_adam(theta, moments,",
            new="inner_adam(theta, after[-1] if after else moments,",
            says="the task before it",
        ),
        Mistake(old="mean_of_moments(after)", new="moments", says="never learn"),
        Mistake(old="mean_of_moments(after)", new="after[-1]", says="last task alone"),
        Mistake(old="mean_of_moments(after)", new="after", says="are a list"),
    ],
    "6.6": [
        Mistake(
            old="way = 1 - (1 - inner_lr * curvatures)", new="way = (1 - inner_lr * curvatures)", says="is *left*"
        ),
        Mistake(old=" ** inner_steps", new="", says="is missing"),
        Mistake(old="np.sum(way * slopes) / np.sum(way)", new="np.mean(slopes)", says="very many inner steps"),
        Mistake(
            old="np.sum(way * slopes) / np.sum(way)",
            new="np.sum(curvatures * way * slopes) / np.sum(curvatures * way)",
            says="once too often",
        ),
        Mistake(old=" / np.sum(way)", new="", says="divide by the sum of the weights"),
        Mistake(old="2 / np.mean(way)", new="1 / np.mean(way)", says="jumps across"),
        Mistake(old="2 / np.mean(way)", new="2 / np.sum(way)", says="not the sum"),
        Mistake(old="2 / np.mean(way)", new="2 / np.max(way)", says="does not decide"),
        Mistake(old="rest, 2 / np.mean(way)", new="rest", says="2 things"),
    ],
    "6.7": [
        Mistake(
            old='return tuned("MAML")',
            new='return error(train("MAML", rates[0]), test)',
            says="still has the first rate",
        ),
        Mistake(
            old='- tuned("Reptile")',
            new='- error(train("Reptile", rates[0]), test)',
            says="Reptile has the first rate",
        ),
        Mistake(
            old='tuned("MAML") - tuned("Reptile")',
            new='tuned("Reptile") - tuned("MAML")',
            says="MAML's error minus",
        ),
        Mistake(
            old="train(method, rate), val)", new="train(method, rate), test)", says="chose the rates on `test`"
        ),
        Mistake(old="train(method, best), test)", new="train(method, best), val)", says="errors on `val`"),
        Mistake(old="best = min(", new="best = max(", says="*worst* rates"),
        Mistake(old="train(method, rate), val)", new='train("Reptile", rate), val)', says="Reptile's best rate"),
        Mistake(
            old="return error(train(method, best), test)",
            new="return sum(error(train(method, r), test) for r in rates) / len(rates)",
            says="a mean over the rates",
        ),
    ],
}
