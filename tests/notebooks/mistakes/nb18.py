"""Mistakes planted in the exercises of notebook 18."""

from tests.notebooks.exercises import Mistake

MISTAKES = {
    "18.1": [
        Mistake(old="(data[~first], labels[~first])", new="(data, labels)", says="in the query set, too"),
        Mistake(
            old="number = torch.arange(len(labels)) % images_of_a_class",
            new="number = torch.arange(len(labels))",
            says="all of one class",
        ),
        Mistake(
            old="number = torch.arange(len(labels)) % images_of_a_class",
            new="number = torch.arange(len(labels)) // (len(labels) // images_of_a_class)",
            says="lacks classes",
        ),
        Mistake(old="number < shots", new="number <= shots", says="one image too many"),
        Mistake(old="number < shots", new="number >= shots", says="exchanged"),
        Mistake(old="(data[first], labels[first])", new="(data[first], labels)", says="their labels are not"),
        Mistake(
            old="(data[first], labels[first])",
            new="(data[first], labels[: int(first.sum())])",
            says="belong to others",
        ),
    ],
    "18.2": [
        Mistake(old="buffer.clone()", new="buffer", says="has moved: a BatchNorm"),
        Mistake(old="{**params, **buffers}", new="buffers", says="put `params` in"),
        Mistake(
            old="functional_call(model, {**params",
            new="functional_call(model.eval(), {**params",
            says="the output of the other mode",
        ),
        Mistake(
            old="functional_call(model, {**params, **buffers}, (x,))",
            new="(model.load_state_dict({**model.state_dict(), **params}), model(x))[1]",
            says="load nothing into it",
        ),
    ],
    "18.3": [
        Mistake(old="(theta, *tasks).mean()", new="(theta, *tasks).sum()", says="a sum over the tasks"),
        Mistake(
            old="return loss(phi, *query)", new="return loss(phi, *support)", says="is computed on the support set"
        ),
        Mistake(old="grad(loss)(phi, *support)", new="grad(loss)(phi, *query)", says="was used to adapt"),
        Mistake(
            old="grad(loss)(phi, *support)",
            new="grad(loss)({name: p.detach() for name, p in phi.items()}, *support)",
            says="first-order gradient",
        ),
        Mistake(old="grad(loss)(phi, *support)", new="grad(loss)(theta, *support)", says="taken at θ"),
        Mistake(old="for _ in range(inner_steps):", new="for _ in range(1):", says="after one inner step"),
        Mistake(old="functional_call(model, phi, (x,))", new="model(x)", says="must use the"),
        Mistake(old="phi[name] - inner_lr", new="phi[name] + inner_lr", says="goes uphill"),
        Mistake(old="return grad(meta_loss)(theta)", new="return meta_loss(theta)", says="return its gradient"),
    ],
    "18.4": [
        Mistake(
            old="torch.where(still, 0.0, torch.where(still, 1.0, square).sqrt())",
            new="torch.where(still, 0.0, square.sqrt())",
            says="derivative of the root",
        ),
        Mistake(old="steps = steps + 1", new="steps = 1", says="after three steps"),
        Mistake(old="return new, (first, second, steps)", new="return new, state", says="return the new means"),
        Mistake(
            old="return new, (first, second, steps)",
            new="return new, (first, second, steps - 1)",
            says="grow by one",
        ),
        Mistake(
            old="(1 - beta2) * slopes[name] ** 2",
            new="(1 - beta2) * slopes[name].abs()",
            says="one of the squares of",
        ),
        Mistake(old="root + epsilon", new="root.square() + epsilon", says="by the root of the mean"),
        Mistake(old="p - lr * mean", new="p + lr * mean", says="goes uphill"),
        Mistake(
            old="(1 - beta2) * slopes[name] ** 2",
            new="(1 - beta2) * slopes[name].detach() ** 2",
            says="cut off by `detach`",
        ),
        Mistake(
            old="lr * mean / (root + epsilon)",
            new="lr * first[name] / (second[name].sqrt() + epsilon)",
            says="too small at first",
        ),
    ],
}
