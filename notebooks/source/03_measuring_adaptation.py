# %% [markdown]
# # Measuring adaptation
#
# On this page you build, in a dozen lines, the function that every number of this course goes through. Afterwards you can look at a line such as **43.3 ± 0.9 %** and say what was averaged, over what, what the ± promises and what it does not. And you get a learner to **100 %** without letting it look at a single picture, so that you know how it is done.
#
# > **Recall.** Notebook 02: a learner that sees only x cannot get below an error of 3.0 on our sines. What must a learner see to do better?
# >
# > <details><summary>Answer</summary>
# >
# > The support set. Only that says which wave the task is about. So a learner is a function of the support set *and* the query inputs, and this is how we shall measure it.
# >
# > </details>

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | what a ± means, adaptation curves, leaks |
# | **You will be able to** | score any learner on many tasks · compute a 95 % interval and say what it covers · read an adaptation curve · tell a gap from a shift, and three kinds of leak from an honest score |
# | **You need** | [01](01_what_is_a_task.ipynb) (tasks, splits) and [02](02_why_ordinary_learning_fails.ipynb) (`apply(params, x)`, fine-tuning) |
# | **Time** | 45 minutes to read, 30 for the exercises, about 35 seconds to run |
# | **Skip it if** | you know why a ± of 9.8 over 600 tasks cannot be a 95 % interval, and why five intervals over tasks say nothing about seeds |

# %% tags=["setup"]
import numpy as np
from numpy.random import default_rng

from mlcourse.lessons import checks, figures
from mlcourse import weights
from mlcourse.reference import losses, networks
from mlcourse.reference.autograd import grad
from mlcourse.tasks import Examples, Sinusoids, Task, each, glyphs, one
from mlcourse.tasks.images import Episodes

# %% [markdown]
# ## A learner is a function
#
# You know this from notebook 01. MAML, fine-tuning, comparing pixels: seen from outside they are all the same thing. A learner takes a support set and the query inputs, and returns predictions.
#
# $$(\text{support},\ \text{query}_x)\ \longmapsto\ \text{predictions}$$
#
# What is not among its arguments is as important: the query labels. Whatever has this form can be measured, by one and the same function. Here is nearest neighbour again, written so that it takes images and plain numbers alike:

# %% tags=["setup"]
def flat(x):                                  # (n, ...) -> (n, numbers)
    return np.asarray(x, dtype=float).reshape(len(x), -1)

def nearest_neighbour(support, query_x):
    queries, points = flat(query_x), flat(support.x)
    distances = ((queries[:, None] - points[None]) ** 2).sum(axis=-1)
    return support.y[distances.argmin(axis=1)]

characters = glyphs.splits()                  # train, val, test: other scripts
five_way = Episodes(characters.test, n_way=5, k_shot=1, n_query=5)

# %% [markdown]
# Try it on one task: five characters that no learner has trained on, one example of each, five queries of each.

# %%
task = one(five_way.sample(1, default_rng(0)), 0)
predictions = nearest_neighbour(task.support, task.query.x)
print("predicted", predictions)
print("right    ", task.query.y)
print(f"{np.mean(predictions == task.query.y):.0%} right")

# %% tags=["hide-input"]
figures.show(figures.episode_grid(task, n_query=5), alt="A five-way one-shot task: five characters in five rows, one support image at the left and five query images at the right of each.")

# %% [markdown]
# ### Exercise 3.1 ●●○○○ Nearest class mean
# *10 minutes. Why it matters: it is the baseline that a method for few-shot images has to beat, and half of notebook 08.*
#
# Average the support examples of each class. Answer each query with the class whose mean is nearest (squared distance of the flattened numbers). Labels are the whole numbers 0, 1, …, and the examples may stand in any order.

# %% tags=["exercise"]
def nearest_class_mean(support, query_x):
    """Return a label (n,) for each of the n queries."""
    return ...

# %% tags=["check"]
checks.nb03.nearest_class_mean(nearest_class_mean)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# The support examples of class 2 are `flat(support.x)[support.y == 2]`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Stack the means to an array `(n_way, numbers)`. From there on it is `nearest_neighbour` with the means as its points, and the place of the smallest distance is the label itself.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def nearest_class_mean(support, query_x):
#     queries, points = flat(query_x), flat(support.x)
#     labels = range(support.y.max() + 1)
#     means = np.stack([points[support.y == label].mean(axis=0) for label in labels])
#     distances = ((queries[:, None] - means[None]) ** 2).sum(axis=-1)
#     return distances.argmin(axis=1)
# ```
#
# The mean of several drawings is a blurred character: what all drawings share stays, what only one of them has fades.
#
# </details>

# %% [markdown]
# ## One task says nothing
#
# **Predict.** We draw five tasks and score the same learner on each of them. How far apart will the best and the worst score be: 2 points, 10 points, or more than 20?

# %%
def accuracy(predictions, y):
    return np.mean(predictions == y)

def my_evaluate(learner, family, score, n_tasks, rng):
    scores = []
    for task in each(family.sample(n_tasks, rng)):
        predictions = learner(task.support, task.query.x)   # no query labels
        scores.append(score(predictions, task.query.y))
    return np.array(scores)                                 # one for each task

five_scores = my_evaluate(nearest_neighbour, five_way, accuracy, 5, default_rng(6))
print("five tasks:", five_scores)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 0.2 < np.ptp(five_scores) < 0.3, five_scores

# %% [markdown]
# **What you saw.** More than 20 points. Some characters look more alike than others, the one example of a class may be a poor one, and with 25 queries each of them counts 4 points. All this luck is in the score of a single task.
#
# So draw many. The course's tables use 600, always with a given seed, so that **every learner meets the same tasks**. What comes out is not a number but a distribution:

# %%
from mlcourse.evaluation import evaluate

nearest = evaluate(nearest_neighbour, five_way, n_tasks=600, rng=default_rng(0))
print(nearest)

# %% tags=["hide-input"]
figures.show(
    figures.distribution(100 * nearest.scores, xlabel="accuracy on one task (%)", title="nearest neighbour, 600 tasks"),
    alt="Histogram of 600 task accuracies from about 12 to 80 %. Above it a long bar, one standard deviation of 10.6 to each side of the mean, and a very short one, the 95 % interval of the mean, 0.9 to each side.",
)

# %% [markdown]
# `mlcourse.evaluation.evaluate` is your `my_evaluate` with its errors spelled out, and it tells accuracy from squared error by itself. (It draws its tasks in portions of 100, so that images of thousands of tasks never fill the memory.) With 100 tasks and the same seed the two agree to the last digit (the word *transductive* in the printed line is explained under leak 3):

# %%
mine = my_evaluate(nearest_neighbour, five_way, accuracy, 100, default_rng(0))
packaged = evaluate(nearest_neighbour, five_way, n_tasks=100, rng=default_rng(0))
print("largest difference:", np.abs(mine - packaged.scores).max())

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.array_equal(mine, packaged.scores)
assert abs(100 * nearest.mean - 43.3) < 0.6 and abs(100 * nearest.half_width - 0.9) < 0.1
assert abs(100 * nearest.scores.std(ddof=1) - 10.6) < 0.4
assert 10 < 100 * nearest.scores.min() < 20 and 75 < 100 * nearest.scores.max() < 90

# %% [markdown]
# ## What a ± says
#
# The picture shows two bars, and people print both of them after a ±. They answer different questions.
#
# **How different are the tasks?** That is the standard deviation of the scores,
#
# $$s = \sqrt{\frac{1}{n-1} \sum_{i=1}^n (a_i - \bar a)^2}$$
#
# with $a_i$ the score on task $i$ and $\bar a$ their mean. Here $s = 10.6$ points. More tasks do not make it smaller. (More queries in each task do, somewhat: the luck of the 25 queries is in it, too.)
#
# **How well do we know the mean?** The mean of $n$ independent scores has the standard deviation $s / \sqrt n$. In 95 of 100 cases it lies within 1.96 of these from the mean over *all* tasks that could be drawn (the number 1.96 belongs to the bell curve, and the mean of many scores follows that curve closely). So the 95 % interval is
#
# $$\bar a \ \pm\ 1.96\, \frac{s}{\sqrt n}$$
#
# Here that is ± 0.9. Four times as many tasks halve it. In this course a ± after a score is always this one, and it says over how many tasks.

# %% [markdown]
# ### Exercise 3.2 ●●○○○ The interval
# *8 minutes. Why it matters: many tables print something else after the ±, and do not say so.*
#
# Write `interval(scores)`: the mean of the scores and *half* the width of its 95 % interval.

# %% tags=["exercise"]
def interval(scores):
    """Return (mean, half_width) for scores (n_tasks,)."""
    return ...

# %% tags=["check"]
checks.nb03.interval(interval)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# First the standard deviation of the scores. Which further step turns "how different are the tasks" into "how well do we know the mean"?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `scores.std(ddof=1)` divides by n − 1, as the formula does. `np.std` alone divides by n.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def interval(scores):
#     spread = scores.std(ddof=1)
#     half_width = 1.96 * spread / np.sqrt(len(scores))
#     return scores.mean(), half_width
# ```
#
# With a few hundred tasks n or n − 1 makes no difference. The square root makes all the difference.
#
# </details>

# %% [markdown]
# Does it keep its promise? We can play 500 laboratories. Each draws 20 tasks of its own and prints its mean and its interval. The mean over all 10,000 tasks stands in for the truth. Then we share the same scores among 100 laboratories with 100 tasks each.
#
# **Predict.** How many of 500 intervals will miss the truth? And with five times as many tasks in each, will a smaller share of them miss it?

# %%
many = evaluate(nearest_neighbour, five_way, n_tasks=10_000, rng=default_rng(1))
print(f"truth {many.mean:.1%}")
for size in (100, 20):                                  # tasks in a laboratory
    laboratories = many.scores.reshape(-1, size)
    means = laboratories.mean(axis=1)
    half_widths = 1.96 * laboratories.std(axis=1, ddof=1) / np.sqrt(size)
    missed = np.abs(means - many.mean) > half_widths
    print(f"{size:3} tasks each, about ± {half_widths.mean():.1%}:", end=" ")
    print(f"{missed.sum()} of {len(missed)} miss it ({missed.mean():.1%})")

# %% tags=["hide-input"]
with figures.style():
    figure, axes = figures.canvas(height=2.7)
    for lab, (middle, half) in enumerate(zip(100 * means[:100], 100 * half_widths[:100], strict=True)):
        colour = figures.look("protonet")[0] if missed[lab] else figures.QUIET
        axes.plot([lab, lab], [middle - half, middle + half], color=colour, linewidth=2.5 if missed[lab] else 1)
        axes.plot(lab, middle, "x" if missed[lab] else ".", color=colour, markersize=5 if missed[lab] else 3)
    axes.axhline(100 * many.mean, color=figures.INK, linewidth=1)
    axes.set(xlabel="laboratory", ylabel="accuracy (%)", title="the first 100 intervals, each from 20 tasks")
figures.show(figure, alt="A hundred vertical intervals around a horizontal line, the truth. All but a few cross it; those that miss are drawn thick and orange, with a cross.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 0.04 < missed.mean() < 0.07, missed.mean()
hundreds = many.scores.reshape(100, 100)
missed_by_hundreds = np.abs(hundreds.mean(axis=1) - many.mean) > 0.196 * hundreds.std(axis=1, ddof=1)
assert 0.02 < missed_by_hundreds.mean() < 0.08, missed_by_hundreds.mean()
bell_curve_with_19 = default_rng(0).standard_t(19, 1_000_000)  # the mean of 20, divided by its estimated error
assert 0.06 < np.mean(np.abs(bell_curve_with_19) > 1.96) < 0.07

# %% [markdown]
# **What you saw.** About 5 in 100, as 95 % promises, with few tasks and with many. More tasks make the interval *shorter*; how often it misses stays the same. (With as few as 20 tasks it is one or two more in 100 in the long run, since 1.96 is made for many.) No laboratory did anything wrong, and none of them can know whether it is one of the unlucky ones.
#
# **What the ± does not say.** It is over tasks: "another draw of tasks would move the mean by about so much". A *second training run*, with another random start, is another question. Its answer is the spread over seeds. Here is the learner from scratch of notebook 02, from five random starts, on the same tasks:

# %% tags=["setup"]
network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
sines = Sinusoids(k_shot=5, n_query=50)

# %%
from mlcourse.evaluation import across_seeds
from mlcourse.reference.learners import GradientLearner

runs = []
for seed in range(5):
    start = network.init(default_rng(seed))
    learner = GradientLearner(network, loss, start, inner_lr=0.003, inner_steps=5)
    run = evaluate(learner, sines, n_tasks=200, rng=default_rng(42))
    print(f"seed {seed}: {run.mean:.2f} ± {run.half_width:.2f} over tasks")
    runs.append(run)
print(f"standard deviation over seeds: {across_seeds(runs).spread:.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert all(run.half_width > 3 * across_seeds(runs).spread for run in runs)
assert 0.05 < across_seeds(runs).spread < 0.3

# %% [markdown]
# The interval over tasks is several times as wide as the spread over seeds. For another method it can be the other way round; you cannot compute one from the other. A table should print both, apart.

# %% [markdown]
# ## Few-shot accuracy
#
# Now compare two learners with one and with five examples of each class. (The packaged class mean returns a *score* for each class instead of a label; `evaluate` takes the class with the highest one.)
#
# **Predict.** *One* example of each class: which is better, nearest neighbour or nearest class mean? And with five?

# %%
from mlcourse import baselines

class_mean = baselines.nearest_class_mean()           # exercise 3.1, as scores
results = {}
for k_shot in (1, 5):
    family = Episodes(characters.test, n_way=5, k_shot=k_shot, n_query=5)
    for name, learner in (("neighbour", nearest_neighbour), ("class mean", class_mean)):
        found = evaluate(learner, family, n_tasks=600, rng=default_rng(0))
        results[f"{name}, {k_shot}-shot"] = found

# %% tags=["hide-input"]
rows = [(name, 100 * result.mean, 100 * result.half_width) for name, result in results.items()]
figure = figures.intervals(rows, xlabel="accuracy (%), 5-way, 600 tasks", digits=1, reference={"chance": 20})
figures.show(figure, alt="Four dots with 95 % intervals: with one shot both learners at 43 %, with five shots nearest neighbour at 65 and nearest class mean at 73 %. Chance is 20 %.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.array_equal(results["neighbour, 1-shot"].scores, results["class mean, 1-shot"].scores)
assert abs(100 * results["neighbour, 5-shot"].mean - 64.5) < 1.5 and abs(100 * results["class mean, 5-shot"].mean - 72.6) < 1.5
difference = results["class mean, 5-shot"].scores - results["neighbour, 5-shot"].scores
apart = 100 * np.hypot(results["class mean, 5-shot"].half_width, results["neighbour, 5-shot"].half_width)
assert abs(apart - 1.2) < 0.1, apart
assert [round(100 * results[f"{name}, 5-shot"].half_width, 1) for name in ("neighbour", "class mean")] == [0.9, 0.8]
assert abs(100 * difference.mean() - 8.1) < 0.8 and abs(100 * 1.96 * difference.std(ddof=1) / np.sqrt(600) - 0.8) < 0.1

# %% [markdown]
# **What you saw.** With one shot they are the same learner, to the last digit: the mean of one example is that example. With five shots the class mean is about 8 points better.
#
# Both met the same 600 tasks, so you may compare them **task by task**. The differences vary less than the scores do, because a hard task is hard for both. Judged on two separate sets of tasks, the two half-widths in the picture (± 0.9 and ± 0.8) would add up like the sides of a right angle, to ± 1.2. Task by task it is:

# %%
a, b = results["class mean, 5-shot"], results["neighbour, 5-shot"]
difference = a.scores - b.scores
half_width = 1.96 * difference.std(ddof=1) / np.sqrt(600)
print(f"difference: {difference.mean():.1%} ± {half_width:.1%}")

# %% [markdown]
# ## The adaptation curve
#
# A learner that takes gradient steps has more to show than one number: its score after 0, 1, 2, … steps. That is the **adaptation curve**. Build it for one start, then for three.

# %%
def my_adaptation_curve(start, tasks, inner_lr, inner_steps):
    errors = []
    for task in each(tasks):
        phi, along = start, [loss(start, *task.query)]
        for _ in range(inner_steps):
            gradient = grad(loss)(phi, *task.support)
            phi = {name: phi[name] - inner_lr * gradient[name] for name in phi}
            along.append(loss(phi, *task.query))
        errors.append(along)
    return np.array(errors)                   # (n_tasks, inner_steps + 1)

# %% [markdown]
# `adaptation_curve` is the packaged version. It takes a `GradientLearner` (notebook 02: fine-tune, then predict), so that it knows the steps. Our three starts are a random one, a pooled one (trained for longer than in notebook 02), and the one that notebook 00 showed you and notebook 05 builds. Each takes steps of a size that is good for it.

# %%
from mlcourse.evaluation import adaptation_curve

starts = {
    "scratch": (network.init(default_rng(0)), 0.003),
    "pooled": (weights.load("sinusoid_pooled"), 0.003),
    "MAML": (weights.load("sinusoid_maml"), 0.01),
}
learners, curves = {}, {}
for name, (start, rate) in starts.items():
    learner = GradientLearner(network, loss, start, inner_lr=rate, inner_steps=10)
    curves[name] = adaptation_curve(learner, sines, n_tasks=300, rng=default_rng(42))
    learners[name] = learner

# %%
mine = my_adaptation_curve(starts["MAML"][0], sines.sample(20, default_rng(1)), 0.01, 10)
theirs = adaptation_curve(learners["MAML"], sines, n_tasks=20, rng=default_rng(1))
print(f"largest difference from yours: {np.abs(mine - theirs.scores).max():.0e}")

# %% tags=["hide-input"]
figure = figures.adaptation_curves({name: curve.scores for name, curve in curves.items()}, target=1.0)
figures.show(figure, alt="Query error after 0 to 10 inner steps with 95 % bands. Scratch stays above 4, pooled sinks from 3 to about 2.2, MAML drops from 3 below 1 in the first step and goes on to less than 0.5. A line marks the target 1.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.abs(mine - theirs.scores).max() < 1e-9
assert curves["MAML"].mean[1] < 1.0 and curves["MAML"].mean[10] < 0.5, curves["MAML"].mean
assert abs(curves["MAML"].mean[0] - 3) < 0.6, curves["MAML"].mean
assert abs(curves["pooled"].mean[10] - 2.2) < 0.2 and curves["scratch"].mean.min() > 4
assert abs(curves["pooled"].mean[0] - curves["MAML"].mean[0]) < 0.3

# %% [markdown]
# Read it from the left. The *height* at step 0 is how good the start is as it stands. The *drop* in the first step is what it has learned about learning. Pooled and MAML start at nearly the same height, and end far apart.
#
# From the curve follow two figures. **Adaptation speed**: how many steps, and seconds, until the mean is as good as a target. **Time to deploy**: how many seconds pass from receiving a support set to the first prediction.

# %% tags=["nbval-ignore-output"]
from mlcourse.evaluation import adaptation_speed, time_to_deploy

def milliseconds(seconds):
    return "–" if seconds is None else f"{1000 * seconds:.1f} ms"

rows = []
for name, learner in learners.items():
    speed = adaptation_speed(learner, sines, target=1.0, n_tasks=200, rng=default_rng(42))
    deployed = time_to_deploy(learner, sines, rng=default_rng(42))
    times = milliseconds(speed.seconds), milliseconds(deployed.seconds)
    rows.append([name, str(speed.steps), *times])

columns = ["start", "steps to error 1.0", "time for these", "time to deploy, 10 steps"]
figures.table(rows, columns=columns)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert adaptation_speed(learners["MAML"], sines, target=1.0, n_tasks=100, rng=default_rng(42)).steps == 1
assert all(curves[name].steps_to(1.0) is None for name in ("scratch", "pooled"))
assert deployed.seconds < 0.1, deployed

# %% [markdown]
# `None` stands for "not within the 10 steps". The three times to deploy are for equal work: where they differ, it is the computer's doing. On a network this small even ten steps take only milliseconds; with a large one, each step counts.

# %% [markdown]
# ### Exercise 3.3 ●●○○○ How fast?
# *8 minutes. Why it matters: "adapts in one step" is a claim about this function.*
#
# `errors` is an adaptation curve `(n_tasks, inner_steps + 1)`; column 0 is before the first step. Return the smallest number of steps after which the *mean* error is at most `target`, or `None` if it never is.

# %% tags=["exercise"]
def steps_to(errors, target):
    """Return the first number of steps with mean error <= target, or None."""
    return ...

# %% tags=["check"]
checks.nb03.steps_to(steps_to)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# First the mean over the tasks, then the comparison. (Why not the other way round?)
#
# </details>
# <details><summary>Hint 2</summary>
#
# A loop over `enumerate(means)` that returns at the first good one is enough. What happens if there is none?
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def steps_to(errors, target):
#     means = errors.mean(axis=0)
#     for step, error in enumerate(means):
#         if error <= target:
#             return step
#     return None
# ```
#
# `np.argmax(means <= target)` is shorter and has a trap: where no step is good enough, it returns 0, the best possible answer.
#
# </details>

# %% [markdown]
# ## Labels saved
#
# Adaptation is about few labels, so ask: how many more labels would a rival need that learns each task *from scratch*, and does as well? It has to be a good rival. Ours is a random network of which only the last layer is fitted. For one layer the best fit can be computed exactly, without steps and without a rate (ridge regression). Its one setting is tuned on meta-validation tasks.
#
# **Predict.** MAML has 5 labels and takes one step. How many labels does the rival need for the same error: 6, 15, or 50?

# %%
from mlcourse.evaluation import labels_saved

random_params = network.init(default_rng(0))

def random_features(x):                        # all layers but the last
    h = np.maximum(x @ random_params["w0"] + random_params["b0"], 0)
    return np.maximum(h @ random_params["w1"] + random_params["b1"], 0)

def fit_last_layer(ridge):
    return baselines.linear_probe(ridge, random_features)

def sines_with(k_shot):
    return Sinusoids(k_shot=k_shot, n_query=50)

# %%
ridges = (1e-4, 1e-3, 1e-2, 1e-1)
rival = baselines.sweep(
    fit_last_layer, "ridge", ridges, sines_with(15), n_tasks=100, rng_seed=1000
).learner
one_step = GradientLearner(network, loss, starts["MAML"][0], 0.01, inner_steps=1)
saved = [
    labels_saved(
        one_step, rival, sines_with, k_shot=5, candidates=range(6, 31),
        n_tasks=300, rng=default_rng(seed),
    )
    for seed in (42, 43, 44)
]
print("on three draws of tasks the rival needs", [5 + more for more in saved], "labels; saved:", saved)
for name, learner in (("MAML", one_step), ("rival", rival)):
    fifty = evaluate(learner, sines_with(50), n_tasks=300, rng=default_rng(42))
    print(f"with 50 labels {name} has {fifty.mean:.2f} ± {fifty.half_width:.2f}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert [5 + more for more in saved] == [18, 15, 16], saved
assert fifty.mean < evaluate(one_step, sines_with(50), n_tasks=300, rng=default_rng(42)).mean - 0.02, fifty

# %% [markdown]
# **What you saw.** 15 to 18, about three times as many. The number moves with the tasks that happen to be drawn: it is the place where two noisy curves cross, so ask more than one draw. That is what the experience with other sines is worth here, and it is worth less the more labels a task has. With 50 the rival is ahead of MAML's one step: with so many points you do not need meta-learning for a sine.

# %% [markdown]
# ## The task generalisation gap
#
# A meta-learner can learn its meta-train *tasks* by heart, if they are few. The **task generalisation gap** shows it: the mean score on the meta-train tasks minus that on meta-test tasks, new ones from the same family. To see one, we need tasks that come back: the same few waves, each always at the same 20 points.

# %%
class SameTasks(Sinusoids):
    """The same few waves, again and again, each always at the same points."""

    def __init__(self, n_waves, k_shot, n_query):
        super().__init__(k_shot, n_query)
        self.tasks = super().sample(n_waves, default_rng(1))

    def sample(self, n_tasks, rng):
        chosen = rng.integers(len(self.tasks.support.x), size=n_tasks)
        return Task(*(Examples(part.x[chosen], part.y[chosen]) for part in self.tasks))

# %% [markdown]
# `training.train` takes a family and finds a start by MAML (notebook 05). It practises on 10, 30 or 300 waves, in one run of 1,000 outer steps each:

# %%
from mlcourse import methods, training
from mlcourse.fast import arrays, losses as fast_losses, networks as fast_networks

torch_loss = fast_losses.squared_error(fast_networks.mlp((1, 40, 40, 1)))
method = methods.MAML(torch_loss, inner_lr=0.01, meta_lr=3e-3)
practised = {}
for n_waves in (10, 30, 300):
    family, start = SameTasks(n_waves, k_shot=10, n_query=10), network.init(default_rng(0))
    trained = training.train(
        method, start, family, meta_steps=1000, meta_batch_size=10,
        device="cpu", capture="eager", progress=False,
    )
    params = arrays.arrays(trained.params)
    practised[n_waves] = family, GradientLearner(network, loss, params, 0.01, inner_steps=1)

# %% [markdown]
# **Predict.** Which start has the smallest error on its own waves, and which on new ones? Which sign does the gap of an *error* have?

# %%
from mlcourse.evaluation import generalisation_gap

gaps = {}
for n_waves, (family, learner) in practised.items():
    new_waves = Sinusoids(k_shot=10, n_query=10)
    gap = generalisation_gap(learner, family, new_waves, n_tasks=600, rng=default_rng(42))
    print(f"{n_waves:3} waves: gap {gap.mean:+.2f} ± {gap.half_width:.2f}")
    gaps[n_waves] = gap

# %% tags=["hide-input"]
rows = [
    (f"{n_waves} waves, {where}", part.mean, part.half_width)
    for where, side in (("meta-train", "train"), ("meta-test", "test"))
    for n_waves, part in ((n_waves, getattr(gap, side)) for n_waves, gap in gaps.items())
]
figure = figures.intervals(rows, xlabel="query error after one step (mean squared error)", title="on the waves practised on, and on new ones")
figures.show(figure, alt="Six dots with 95 % intervals. On their own waves: 10 waves 0.5, 30 and 300 waves about 1. On new waves: 10 waves 3, 30 waves 1.5, 300 waves 1.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(gaps[10].train.mean - 0.5) < 0.2 and abs(gaps[10].test.mean - 3) < 0.8, gaps[10]
assert abs(gaps[30].train.mean - 1) < 0.4 and abs(gaps[30].test.mean - 1.5) < 0.4, gaps[30]
assert abs(gaps[300].train.mean - 1) < 0.3 and abs(gaps[300].test.mean - 1) < 0.3, gaps[300]
assert gaps[10].train.mean < min(gaps[30].train.mean, gaps[300].train.mean) - 0.1
assert gaps[10].test.mean > 3 * gaps[10].train.mean and gaps[10].mean + gaps[10].half_width < -1
assert gaps[10].mean + 1 < gaps[30].mean < gaps[300].mean - 0.1 and abs(gaps[300].mean) < 0.25

# %% [markdown]
# **What you saw.** The start from 10 waves is the best on its own waves and the worst on new ones, where its error is several times as large: it has learned its tasks by heart. That makes a gap between errors negative, and one between accuracies positive. With 30 waves it is smaller, with 300 hardly anything of it is left. So a score on meta-train tasks alone says little, and the gap says whether more of them would help.
#
# **A shift is something else.** There the new tasks come from *another* family: a **distribution shift**. Let us turn the waves upside down, with phases from 180 to 360 degrees. Beside the start from 300 waves stands that of notebook 00, which has practised on 1,750,000 waves of the old kind.

# %% [markdown]
# **Predict.** Each takes its step on ten points of an upside-down wave. Is the error of the start from 300 waves still about 1, or about 2, or no better than saying 0? Does more practice of the old kind cure it?

# %%
class UpsideDown(Sinusoids):
    def draw(self, n_tasks, rng):
        waves = super().draw(n_tasks, rng)
        return waves._replace(phase=waves.phase + np.pi)      # y becomes -y

def saying_zero(support, query_x):
    return np.zeros_like(query_x)

shifted = {}
rivals = {"300 waves": practised[300][1], "1,750,000 waves": one_step, "saying 0": saying_zero}
for name, learner in rivals.items():
    kinds = Sinusoids(k_shot=10, n_query=10), UpsideDown(k_shot=10, n_query=10)
    old, new = (evaluate(learner, kind, n_tasks=600, rng=default_rng(42)) for kind in kinds)
    print(f"{name:>15}: old kind {old.mean:.2f} ± {old.half_width:.2f}", end="   ")
    print(f"upside down {new.mean:.2f} ± {new.half_width:.2f}")
    shifted[name] = old, new

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
from mlcourse.experiments import results as stored_results

settings = stored_results.load("sinusoid")["details"]["settings"]
assert settings["meta_steps"] * settings["meta_batch_size"] == 1_750_000
(few_old, few_new), (many_old, many_new), (zero_old, zero_new) = shifted.values()
assert abs(few_old.mean - 1) < 0.3 and few_new.mean > zero_new.mean - 0.1, shifted
assert abs(many_old.mean - 0.34) < 0.05 and abs(many_new.mean - 3.1) < 0.3 and np.isclose(zero_old.mean, zero_new.mean)
family, flipped = (kind(10, 10).sample(2, default_rng(0)) for kind in (Sinusoids, UpsideDown))
assert np.allclose(family.query.y, -flipped.query.y)

# %% [markdown]
# **What you saw.** No better than saying 0. The start with the most practice is at 0.3 on waves of the old kind, and still at 3 on the others. That is no gap: it was not short of tasks. More tasks of the old kind close a gap; a shift needs tasks of the new kind. A table should say which of the two it measures.

# %% [markdown]
# ## What can go wrong
#
# **A ± that is something else.** You have met three: the spread of the tasks (10.6), the interval of the mean (0.9), and the spread over seeds. If a paper prints a ± without saying which, work backwards: to be an interval over $n$ tasks, it needs scores with a standard deviation of $\sqrt n / 1.96$ times as much. Can scores lie that far apart?
#
# **Leak 1: support points in the query set.** One wrong index when the examples are split is enough. Here the five support images are judged as well:

# %%
class Overlapping(Episodes):
    def sample(self, n_tasks, rng):
        support, query = super().sample(n_tasks, rng)
        x = np.concatenate([support.x, query.x], axis=1)
        y = np.concatenate([support.y, query.y], axis=1)
        return Task(support, Examples(x, y))

overlapping = Overlapping(characters.test, n_way=5, k_shot=1, n_query=5)
leaked = evaluate(nearest_neighbour, overlapping, n_tasks=600, rng=default_rng(0))
print("honest     ", nearest)
print("overlapping", leaked)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 9 < 100 * (leaked.mean - nearest.mean) < 10.5

# %% [markdown]
# More than nine points from nothing: 5 of the 30 judged images are always right. Nothing looks suspicious.
#
# **Leak 2: choosing on the meta-test tasks.** Let 60 "settings" compete. Each is nearest class mean on its own random third of the pixels, so there is no reason for one of them to stand out.
#
# **Predict.** We take the best of the 60 on 20 meta-test tasks. How many points above the mean of the 60 will it be there? And how many of them will be left on 600 fresh tasks?

# %%
def with_pixels(mask):
    return baselines.nearest_class_mean(lambda x: flat(x)[:, mask])

rng, tried = default_rng(0), []
masks = [rng.random(28 * 28) < 1 / 3 for _ in range(60)]
for mask in masks:
    found = evaluate(with_pixels(mask), five_way, n_tasks=20, rng=default_rng(1))
    tried.append(found.mean)

winner = with_pixels(masks[int(np.argmax(tried))])
fresh = evaluate(winner, five_way, n_tasks=600, rng=default_rng(2))
print(f"the 60 on the 20 tasks: {np.mean(tried):.1%} on average")
print(f"the winner among them:  {max(tried):.1%}")
print(f"the winner, 600 fresh tasks: {fresh.mean:.1%}")
blind = [
    evaluate(with_pixels(mask), five_way, n_tasks=600, rng=default_rng(2)).mean
    for mask in masks[:12]
]
print(f"the first 12 of the 60, the same fresh tasks: {np.mean(blind):.1%}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert max(tried) - fresh.mean > 0.03, (max(tried), fresh.mean)
assert abs(fresh.mean - np.mean(blind)) < 0.01 < max(tried) - np.mean(tried), (fresh.mean, np.mean(blind))
assert np.mean(tried) > np.mean(blind) + 0.01, (np.mean(tried), np.mean(blind))
assert np.ptp(blind) < 0.04 and np.std(blind) < 0.8 * np.std(tried[:12]), blind
assert abs(100 * (max(tried) - np.mean(tried)) - 4) < 1

# %% [markdown]
# **What you saw.** About 4 points above the others, and none of them is left: on fresh tasks the winner is as good as twelve that were not chosen. Its lead was luck, picked out of 60 tries. (All of them look better on the 20 tasks than on the fresh ones: those 20 happen to be easy.) Choose on meta-validation tasks, and look at the meta-test tasks once.
#
# **Leak 3: judging the queries together.** A learner may look at the whole query set at once. That is called **transductive**. It is not forbidden, but it is another problem: in use, queries often come one by one. Here is the extreme case. Our queries come grouped by class, five of each, so this learner looks at no picture at all:

# %%
def counts_along(support, query_x):
    n_way = support.y.max() + 1
    return np.arange(len(query_x)) * n_way // len(query_x)  # 0 0 0 0 0 1 1 ...

believed = my_evaluate(counts_along, five_way, accuracy, 100, default_rng(0))
print("my_evaluate:", believed.mean())
try:
    evaluate(counts_along, five_way, n_tasks=100, rng=default_rng(0))
except ValueError as error:
    print("evaluate:", *str(error).split(": "), sep="\n   ")

# %% [markdown]
# `my_evaluate` believes the 100 %. The packaged `evaluate` first asks the learner about a few queries alone, and about all of them in reverse. If a prediction moves, the learner is refused, unless you declare it. Here is a transductive learner of the honest kind. It labels the queries, adds them to the class means, and labels them again:

# %%
def class_mean_together(support, query_x):
    labels = class_mean(support, query_x).argmax(axis=1)
    x = np.concatenate([support.x, query_x])
    for _ in range(5):
        larger = Examples(x, np.concatenate([support.y, labels]))
        labels = class_mean(larger, query_x).argmax(axis=1)
    return labels

family = Episodes(characters.test, n_way=5, k_shot=1, n_query=15)
alone = evaluate(class_mean, family, n_tasks=300, rng=default_rng(0))
together = evaluate(
    class_mean_together, family, n_tasks=300, rng=default_rng(0), transductive=True
)
print(alone)
print(together)

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert believed.mean() == 1.0
assert abs(100 * (together.mean - alone.mean) - 5.3) < 0.5, (alone, together)

# %% [markdown]
# About 5 points more, with the same single label a class. Both lines are right, and they must not stand in one column. Batch normalisation (a layer that centres and scales with the mean and spread of its batch) does something like it without being asked, when the batch is the query set. This is one reason why papers print different numbers for one method. Notebook 07 comes back to it.

# %% [markdown]
# ### Exercise 3.4 ●●○○○ Find the leaks
# *5 minutes. Why it matters: you will read more tables than you make.*
#
# Five sentences from reports. Which of them describe a leak, or a score that must not stand beside honest ones without a word? Answer with their letters in one string, such as `"bd"`.
#
# - **a** "The inner rate was chosen on the 600 tasks whose score we print."
# - **b** "The queries of each task are shuffled before the learner sees them."
# - **c** "At test time, batch normalisation uses the statistics of the task's queries. The table does not say so."
# - **d** "All methods are judged on the same 600 tasks, drawn with seed 42."
# - **e** "The drawings of each character were divided at random into meta-train and meta-test."

# %% tags=["exercise"]
leaks = ...

# %% tags=["check"]
checks.nb03.leaks(leaks)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# For each sentence: which information reaches the learner, or you who tune it, that would not be there on a new task?
#
# </details>
# <details><summary>Hint 2</summary>
#
# There are three. In one of them, characters are in both splits.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# leaks = "ace"
# ```
#
# **a** chooses on the meta-test tasks. **c** judges the queries together and keeps silent. **e** lets the learner meet the test classes in training. **b** takes away the order that gave the labels away, and **d** makes methods comparable.
#
# </details>

# %% [markdown]
# ## Quiz
#
# **1.** A paper reports 62.1 ± 9.8 % over 600 tasks. Can 9.8 be a 95 % interval of the mean?
#
# <details><summary>Answer</summary>
#
# No. It would take a standard deviation of $9.8 \cdot \sqrt{600} / 1.96 \approx 122$ points, and accuracies, between 0 and 100, cannot have more than about 50. It is the spread of the tasks; the interval would be about $1.96 \cdot 9.8 / \sqrt{600} \approx 0.8$.
#
# </details>
#
# **2.** On the same 600 tasks, A has 70.2 ± 0.9 % and B has 69.1 ± 0.9 %. The intervals overlap. Does that mean that there is no difference?
#
# <details><summary>Answer</summary>
#
# No. The tasks are the same, so look at the differences task by task and give *their* interval. It is narrower than the ± 1.3 of two separate sets of tasks, wherever hard tasks are hard for both. And if each method was trained only once, even a clear difference may be the luck of a seed.
#
# </details>
#
# **3.** A learner scores 95 % on meta-train tasks and 70 % on meta-test tasks. Which number do you report, and what does the other one tell you?
#
# <details><summary>Answer</summary>
#
# The 70 %, since new tasks are what it is for. If both sets of tasks come from one source, the gap of 25 points says that it has learned much about the meta-train classes that does not carry over: more meta-train tasks may help more than a better inner loop. If they do not, part of the 25 points is a shift.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Score any learner on many tasks, with an interval that you can defend.
# - Say which of three things a ± is, and which question it leaves open.
# - Read an adaptation curve: height, slope, and the steps to a target.
# - Tell a gap, which more tasks close, from a shift, which they do not.
# - Make a leak happen, and see it in other people's tables.
#
# ## What comes next
#
# You know what to beat and how to measure it. [Notebook 04](04_gradients_through_gradients.ipynb) opens the black box `grad`, because the start that wins above is found by differentiating *through* a gradient step.
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): adaptation curves on sines.
# - W.-Y. Chen, Y.-C. Liu, Z. Kira, Y.-C. F. Wang, J.-B. Huang, *A Closer Look at Few-shot Classification*, ICLR 2019, [arXiv:1904.04232](https://arxiv.org/abs/1904.04232): one comparison of published methods and of a simple baseline that keeps up with them.
# - A. Nichol, J. Achiam, J. Schulman, *On First-Order Meta-Learning Algorithms*, 2018, [arXiv:1803.02999](https://arxiv.org/abs/1803.02999): transductive scores beside others, reported apart.
# - J. Snell, K. Swersky, R. Zemel, *Prototypical Networks for Few-shot Learning*, NeurIPS 2017, [arXiv:1703.05175](https://arxiv.org/abs/1703.05175): nearest class mean, in a learned space.
