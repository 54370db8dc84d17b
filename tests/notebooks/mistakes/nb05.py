"""Mistakes planted in the exercises of notebook 05."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "5.1": [
        Mistake(old="- inner_lr *", new="+ inner_lr *", says="up the hill"),
        Mistake(old="inner_lr * gradient[name]", new="gradient[name]", says="multiply it by `inner_lr`"),
        Mistake(old="grad(loss)(phi,", new="grad(loss)(theta,", says="take it at φ"),
        Mistake(old="phi[name] - inner_lr", new="theta[name] - inner_lr", says="sets off from θ again"),
        Mistake(old="range(inner_steps)", new="range(1)", says="after one step"),
        Mistake(old="    return phi", new="    return theta", says="no step was taken"),
    ],
    "5.2": [
        Mistake(old="one_task.query.x, one_task.query.y", new="*one_task.support", says="fitted to"),
        Mistake(old="loss(phi,", new="loss(theta,", says="judge θ and not φ"),
        Mistake(old="theta, one_task.support,", new="theta, one_task.query,", says="must not see them"),
        Mistake(old="phi = adapt(", new="theta = phi = adapt(", says="adapts from θ itself"),
        Mistake(old="/ len(query_losses)", new="/ len(tasks)", says="the support and the query sets"),
        Mistake(old=" / len(query_losses)", new="", says="a sum over the tasks"),
        Mistake(old="sum(query_losses) / len(query_losses)", new="query_losses[-1]", says="the last task alone"),
    ],
    "5.3": [
        Mistake(old="in_dims=(None, 0))", new="in_dims=(None, 0), out_dims=1)", says="not in front"),
        Mistake(
            old="torch.vmap(adapt_one, in_dims=(None, 0))(theta, supports)",
            new="adapt_one(theta, type(supports)(supports.x[0], supports.y[0]))",
            says="the first task alone",
        ),
        Mistake(
            old="torch.vmap(adapt_one, in_dims=(None, 0))(theta, supports)",
            new="adapt_one(theta, supports)",
            says="the points of all tasks at once",
        ),
        Mistake(old="(None, 0)", new="(0, 0)", says="must not be split"),
        Mistake(
            old="torch.vmap(adapt_one, in_dims=(None, 0))(theta, supports)",
            new="{k: v.mean(0) for k, v in torch.vmap(adapt_one, in_dims=(None, 0))(theta, supports).items()}",
            says="mean over the tasks",
        ),
    ],
    "5.4": [
        Mistake(old="reversed(phis[:-1])", new="phis[:-1]", says="meets the last step first"),
        Mistake(old="hessian_times(loss, phi,", new="hessian_times(loss, theta,", says="Hessian is taken at θ"),
        Mistake(old="reversed(phis[:-1])", new="reversed(phis[1:])", says="where its step ends"),
        Mistake(old="reversed(phis[:-1])", new="phis[-2:-1]", says="the last step only"),
        Mistake(old="reversed(phis[:-1])", new="[]", says="first-order MAML"),
        Mistake(old="v[name] - inner_lr *", new="v[name] + inner_lr *", says="sign of the second part"),
        Mistake(old="inner_lr * bent[name]", new="bent[name]", says="I − H"),
        Mistake(old="phi, v, task.support)", new="phi, v, task.query)", says="those of the query loss"),
        Mistake(
            old="(phis[-1], *task.query)", new="(phis[-1], *task.support)", says="gradient of the support loss"
        ),
        Mistake(old="(phis[-1], *task.query)", new="(theta, *task.query)", says="the query gradient at θ"),
    ],
}
