# %% [markdown]
# # Measuring adaptation
#
# This page shows, in a dozen lines, the function that computes every score in this course. After it you can read a line such as **43.3 ± 0.9 %** and say what was averaged, and what the ± promises. You will also make a cheating learner that scores **100 %** without looking at a single picture.
#
# > **Recall.** Notebook 02: a learner that gets only x cannot go below an error of 3.0 on our sines. What does a learner need to do better?
# >
# > <details><summary>Answer</summary>
# >
# > The support set, because only the support set says which wave the task is about. So a learner is a function of the support set *and* the query inputs.
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
# | **Time** | 45 minutes to read, 31 for the exercises, about 45 seconds to run |
# | **Skip it if** | you know the difference between the spread over tasks, the interval of the mean, and the spread over seeds |

# %% tags=["setup"]
import numpy as np
from numpy.random import default_rng

from mlcourse.lessons import checks, figures
from mlcourse import weights
from mlcourse.reference import losses, networks
from mlcourse.reference.autograd import grad
from mlcourse.tasks import Examples, Sinusoids, Task, each, glyphs, one
from mlcourse.tasks.images import Episodes

# %% [markdown] slide=["A learner is a function", "From a support set and query inputs to predictions.", "It does not get the query labels."]
# ## A learner is a function
#
# You know this from notebook 01. MAML, fine-tuning and comparing pixels have the same interface. A learner takes a support set and the query inputs, and returns predictions.
#
# $$(\text{support},\ \text{query}_x)\ \longmapsto\ \text{predictions}$$
#
# It does not get the query labels. So one function can evaluate every such learner. Here is nearest neighbour again, in a form that takes images and plain numbers:

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

# %% tags=["hide-input"] slide=["A task: one example each, five queries each"]
figures.show(figures.episode_grid(task, n_query=5), alt="A five-way one-shot task: five characters in five rows, one support image at the left and five query images at the right of each.")

# %% [markdown]
# ### Exercise 3.1 ●●○○○ Nearest class mean
# *10 minutes. Why it matters: it is the baseline that a method for few-shot images has to beat, and half of notebook 08.*
#
# Average the support examples of each class. Answer each query with the class whose mean is nearest, by the squared distance of the flattened numbers. Labels are the whole numbers 0, 1, …, and the examples may come in any order.

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
# Stack the means to an array `(n_way, numbers)`. Then go on as in `nearest_neighbour`, with the means as points. The place of the smallest distance is the label.
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
# The mean of several drawings is a blurred character. It keeps what all drawings share.
#
# </details>

# %% [markdown] slide=["One learner, five tasks", "How many points lie between its best and its worst score?"]
# ## One task, five tasks, 600 tasks
#
# **Predict.** We draw five tasks and score the same learner on each of them. How many percentage points lie between the best and the worst score?

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

# %% [markdown] slide=["More than 20 points", "All this luck is in the score of a single task.", "So draw 600 tasks, the same ones for every learner."]
# **What you saw.** More than 20 points. Some characters look more alike than others. The one example of a class may be a poor one. And one query of 25 is worth 4 percentage points. All this luck is in the score of a single task.
#
# So draw many tasks. The course's tables use 600, always with a given seed, so that **every learner meets the same tasks**. The result is a mean with its ±, and behind it a distribution:

# %%
from mlcourse.evaluation import evaluate

nearest = evaluate(nearest_neighbour, five_way, n_tasks=600, rng=default_rng(0))
print(f"{nearest.mean:.1%} ± {nearest.half_width:.1%} over {len(nearest.scores)} tasks")

# %% tags=["hide-input"] slide=["How different are tasks? How sure is the mean?"]
figures.show(
    figures.distribution(100 * nearest.scores, xlabel="accuracy on one task (%)", title="nearest neighbour, 600 tasks"),
    alt="Histogram of 600 task accuracies from about 12 to 80 %. Above it a long bar, one standard deviation of 10.6 to each side of the mean, and a very short one, the 95 % interval of the mean, 0.9 to each side.",
)

# %% [markdown]
# `mlcourse.evaluation.evaluate` is the page's `my_evaluate` with clear error messages. It chooses accuracy or squared error automatically. On the same 100 tasks the two agree to the last digit:

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
# The picture shows two bars. Both are printed after a ± in papers, and they answer different questions.
#
# **How different are the tasks?** That is the standard deviation of the scores,
#
# $$s = \sqrt{\frac{1}{n-1} \sum_{i=1}^n (a_i - \bar a)^2}$$
#
# with $a_i$ the score on task $i$ and $\bar a$ their mean. Here $s = 10.6$ points. More tasks do not change it. More queries in each task make it a little smaller.
#
# **How well do we know the mean?** Another sample of tasks gives another mean. How far do these means lie apart? For independent scores, the variance of the sum is the sum of the variances. $\bar a$ is the sum of the $n$ scores, divided by $n$. The means of many samples follow the normal distribution closely, and 95 % of a normal distribution lie within 1.96 standard deviations of its middle.

# %% [markdown] slide=["The variance of a sum is the sum of the variances.", "95 % of a normal distribution lie within 1.96 standard deviations."]
# ### Exercise 3.2 ●●○○○ The interval
# *8 minutes. Why it matters: many tables print something else after the ±, and do not say so.*
#
# Derive the 95 % interval of the mean from these two facts. Write `interval(scores)`: the mean of the scores and *half* the width of its interval.

# %% tags=["exercise"]
def interval(scores):
    """Return (mean, half_width) for scores (n_tasks,)."""
    return ...

# %% tags=["check"]
checks.nb03.interval(interval)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# The sum of $n$ scores has the variance $n s^2$. Which standard deviation has the sum, and which the mean?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The mean has the standard deviation $s / \sqrt n$. `scores.std(ddof=1)` divides by n − 1, as the formula for $s$ does.
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
# With a few hundred tasks n or n − 1 makes no difference. The square root does.
#
# </details>

# %% [markdown]
# In this course a ± after a score is always half of this 95 % interval, and the number of tasks stands with it. Four times as many tasks halve it. Here it is ± 0.9. The course's version, `half_width_of(scores)`, is folded here, so that the page runs on:

# %% tags=["setup", "hide-input"] jupyter={"source_hidden": true}
def half_width_of(scores):
    """Half of the 95 % interval of the mean of scores (..., n_tasks), over the last axis."""
    return 1.96 * scores.std(axis=-1, ddof=1) / np.sqrt(scores.shape[-1])

# %% [markdown] slide=["Does the interval keep its promise?", "One laboratory draws 20 tasks, another draws 100.", "Do fewer intervals of 100 tasks miss the true mean?"]
# Does the interval keep its promise? We can simulate laboratories. Each draws 100 tasks of its own and prints its mean and its interval. The mean over all 10,000 tasks stands for the true mean. Then we regroup the same scores into 500 laboratories with only 20 tasks each.
#
# **Predict.** With 100 tasks in place of 20, does a smaller share of the intervals miss the true mean?

# %%
many = evaluate(nearest_neighbour, five_way, n_tasks=10_000, rng=default_rng(1))
print(f"truth {many.mean:.1%}")
for size in (100, 20):                                  # tasks in a laboratory
    laboratories = many.scores.reshape(-1, size)
    means = laboratories.mean(axis=1)
    half_widths = half_width_of(laboratories)
    missed = np.abs(means - many.mean) > half_widths
    print(f"{size:3} tasks each, about ± {half_widths.mean():.1%}:", end=" ")
    print(f"{missed.sum()} of {len(missed)} miss it ({missed.mean():.1%})")

# %% tags=["hide-input"] slide=["Hardly: about 5 in 100 miss it, as 95 % promises"]
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
# **What you saw.** Hardly. Both shares are about 5 in 100, as 95 % promises. More tasks make the interval *shorter*; how often it misses stays nearly the same. In the long run 5 in 100 miss with many tasks. With only 20 tasks it is a little more, 6 to 7 in 100, because 1.96 is for large $n$. No laboratory did anything wrong, and none can find out whether it is one of the unlucky ones.
#
# This answers a question of notebook 01: two scores over 600 tasks each may differ by a little more than a point because of the sample alone.
#
# **What the ± does not say.** It tells you how much the mean changes with another sample of tasks, not with another *training run*. That is the spread over seeds. Here is the learner from scratch of notebook 02, from five random starts, on the same tasks:

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
# Here the interval over tasks is several times as wide as the spread over seeds. For another method the spread over seeds can be the larger one. You cannot compute one from the other, so a table should print both, separately.

# %% [markdown] slide=["Nearest neighbour, or nearest class mean?", "Which is better with one example of each class?", "And with five?"]
# ## Few-shot accuracy
#
# Now compare two learners with one and with five examples of each class. The packaged class mean returns a *score* for each class instead of a label, and `evaluate` takes the class with the highest score.
#
# **Predict.** Which is better with *one* example of each class, nearest neighbour or nearest class mean? And with five?

# %%
from mlcourse import baselines

class_mean = baselines.nearest_class_mean()           # exercise 3.1, as scores
results = {}
for k_shot in (1, 5):
    family = Episodes(characters.test, n_way=5, k_shot=k_shot, n_query=5)
    for name, learner in (("neighbour", nearest_neighbour), ("class mean", class_mean)):
        found = evaluate(learner, family, n_tasks=600, rng=default_rng(0))
        results[f"{name}, {k_shot}-shot"] = found

# %% tags=["hide-input"] slide=["With one example no difference. With five, 8 points"]
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
# Both learners met the same 600 tasks, so you may compare them **task by task**, here with five shots. For two independent samples of tasks the half-width of the difference would be $\sqrt{0.9^2 + 0.8^2} \approx 1.2$. The differences on the same tasks vary less, because a hard task is hard for both:

# %%
a, b = results["class mean, 5-shot"], results["neighbour, 5-shot"]
difference = a.scores - b.scores
print(f"difference: {difference.mean():.1%} ± {half_width_of(difference):.1%}")

# %% [markdown]
# **What you saw.** With one shot they are the same learner, to the last digit: the mean of one example is that example. With five shots the class mean is about 8 points better.

# %% [markdown]
# ## The adaptation curve
#
# A learner that takes gradient steps has more to show than one number: its score after 0, 1, 2, … steps. That is the **adaptation curve**. Here is a function that computes it for one start:

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
# `adaptation_curve` is the packaged version. It takes a `GradientLearner`, which fine-tunes and then predicts, as in notebook 02. We compare three starts: a random one, a pooled one that was trained for longer than in notebook 02, and the MAML start of notebook 00, which notebook 05 builds.

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
print(f"largest difference from the page's: {np.abs(mine - theirs.scores).max():.0e}")

# %% tags=["hide-input"] slide=["The adaptation curve: a height and a drop"]
exactly = {"exact answer": np.zeros((300, 11))}
figure = figures.adaptation_curves({name: curve.scores for name, curve in curves.items()} | exactly, target=1.0)
figures.show(figure, alt="Query error after 0 to 10 inner steps with 95 % bands. Scratch stays above 4, pooled sinks from 3 to about 2.2, MAML drops from 3 below 1 in the first step and goes on to less than 0.5. A line marks the target 1, a dashed one at 0 the exact answer.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.abs(mine - theirs.scores).max() < 1e-9
assert curves["MAML"].mean[1] < 1.0 and curves["MAML"].mean[10] < 0.5, curves["MAML"].mean
assert abs(curves["MAML"].mean[0] - 3) < 0.6, curves["MAML"].mean
assert abs(curves["pooled"].mean[10] - 2.2) < 0.2 and curves["scratch"].mean.min() > 4
assert abs(curves["pooled"].mean[0] - curves["MAML"].mean[0]) < 0.3

# %% [markdown]
# Read it from the left. The *height* at step 0 is how good the start is without adaptation. The *drop* in the first step shows how well it adapts. Pooled and MAML start at nearly the same height, and end far apart. The dashed line at 0 is the exact answer of notebook 02: five points fix the wave, so no error need be left.
#
# The number of steps until the mean error is as good as a target is the **adaptation speed**. How many *seconds* pass before the first prediction is a question of its own, the **time to deploy**. [Appendix 03b](03b_time_to_deploy.ipynb) measures it.

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
# First the mean over the tasks, then the comparison.
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
# `np.argmax(means <= target)` is shorter and has a trap: where no step is good enough, it returns 0.
#
# </details>

# %% [markdown] slide=["The same wave, but five other points each time", "How large is the variance before the first step?", "Does MAML's rise or fall from step 1 to step 10?"]
# ## Bias and variance of adaptation
#
# Where does the remaining error come from? Keep one wave and draw its five support points again and again. Each support set gives another prediction. The mean error is a sum of two parts (Geman, Bienenstock and Doursat, 1992):
#
# - **bias²**, how far the *mean* prediction is from the true wave;
# - **variance**, how far the predictions are from their mean.
#
# A start is a prior for new tasks, and few steps keep $\varphi$ near it (Grant and others, 2018). If the prior is strong, the mean prediction stays away from the wave: bias. If the five points say little, the prediction depends on which five they are: variance. More inner steps usually trade one for the other.
#
# **Predict.** How large is the variance before the first step? And does MAML's variance rise or fall from its first step to its tenth? In the code, `along` returns the predictions after 0, 1, …, 10 steps.

# %%
def wave(x):                                   # the wave of the running example
    return 3 * np.sin(x - 0.9)

grid = np.linspace(-5, 5, 101)[:, None]
points = default_rng(0).uniform(-5, 5, size=(100, 5, 1))  # 100 support sets
parts = {}
for name in ("pooled", "MAML"):
    support = Examples(points, wave(points))
    predictions = learners[name].along(support, np.tile(grid, (100, 1, 1)))
    bias = ((predictions.mean(axis=0) - wave(grid)) ** 2).mean(axis=(1, 2))
    variance = predictions.var(axis=0).mean(axis=(1, 2))
    for step in (0, 1, 10):
        print(f"{name:6} {step:2} steps: bias² {bias[step]:.2f}, variance {variance[step]:.2f}")
    parts[name] = bias, variance

# %% tags=["hide-input"] slide=["It is zero. MAML's rises in the first step, then falls"]
with figures.style():
    figure, axes = figures.canvas(columns=2, height=2.6, sharey=True)
    for panel, (name, (bias, variance)) in zip(axes, parts.items(), strict=True):
        colour = figures.look(name)[0]
        panel.fill_between(range(11), bias, color=colour, alpha=0.75, linewidth=0)
        panel.fill_between(range(11), bias, bias + variance, color=colour, alpha=0.3, linewidth=0)
        panel.plot(range(11), bias + variance, color=colour)
        panel.set(title=name, xlabel="inner steps", xticks=range(0, 11, 2), ylim=(0, 2.5))
    axes[0].set_ylabel("mean squared error")
    axes[0].text(4, 0.8, "bias²", ha="center")
    axes[0].annotate("variance", (8.5, 1.6), (6.2, 2.1), arrowprops={"arrowstyle": "-", "color": figures.QUIET})
figures.show(figure, alt="Error of two starts on one wave, as two stacked areas, bias squared below and variance above, against inner steps. Pooled: bias sinks slowly from 2.2 to 1.4 while the variance grows from zero to 0.2. MAML: the bias is nearly gone after the first step, and a variance of 0.6 appears that sinks to 0.2.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
(bias_pooled, variance_pooled), (bias_maml, variance_maml) = parts["pooled"], parts["MAML"]
assert variance_pooled[0] < 1e-20 and variance_maml[0] < 1e-20
assert np.all(np.diff(bias_pooled) < 0) and np.all(np.diff(variance_pooled) > 0)
assert abs(bias_pooled[0] - 2.2) < 0.1 and abs(bias_pooled[10] - 1.4) < 0.1 and abs(variance_pooled[10] - 0.2) < 0.05
assert bias_maml[1] < 0.1 and abs(variance_maml[1] - 0.6) < 0.1 and abs(variance_maml[10] - 0.2) < 0.1

# %% [markdown]
# **What you saw.** Zero: without a step the support set has no influence. The pooled start makes the usual trade: with every step less bias and more variance. MAML's first step removes nearly all bias and pays with a variance of 0.6. Then its variance *falls*. Our labels have no noise, so further steps fit the wave and not the luck of the points.

# %% [markdown]
# ## Labels saved
#
# A rival learns each task *from scratch*. How many labels does it need to reach MAML's error? Our rival keeps random hidden layers and fits only the last layer. Ridge regression computes that fit exactly, without steps and without a rate. Its one setting is tuned on meta-validation tasks.
#
# **Predict.** MAML has 5 labels and takes one step. How many labels does the rival need for the same error? `labels_saved` counts how many that is *more* than 5.

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
# **What you saw.** 15 to 18, about three times as many. The number is noisy, so repeat it with several samples of tasks. With more labels per task the advantage becomes smaller. With 50 labels the rival is ahead of MAML's one step: with so many points you do not need meta-learning for a sine.

# %% [markdown]
# ## The task generalisation gap
#
# A meta-learner generalises over **two populations**. Inside a task it goes from a few shots to all other examples of the task. Across tasks it goes from the meta-train tasks to all other tasks of the family. So two numbers matter: $n$ tasks and $m$ examples in each. Baxter (2000) proves bounds in both. With enough tasks, what works on the meta-train tasks also works on new tasks of the same family. And the more tasks there are to learn the shared part from, the fewer examples each task needs.
#
# The ± of this page is about new tasks for a *finished* learner. The **task generalisation gap** asks what training on few tasks does:
#
# $$\text{gap} = \text{score on meta-train tasks} - \text{score on meta-test tasks}.$$
#
# Here we need a small, fixed set of meta-train tasks: a few waves, each always at the same 20 points.

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
# `training.train` takes a family and finds a start by MAML, as notebook 05 explains. We train on 10, 30 or 300 waves, each for 1,000 outer steps. `capture="eager"` means that PyTorch runs each step line by line:

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

# %% [markdown] slide=["Trained on 10, 30 or 300 waves", "On new waves, is 30 nearer to 10 or to 300?", "Which start is the best on its *own* waves?"]
# **Predict.** On new waves, does the start from 30 waves come closer to the start from 10 or to the start from 300? And which start has the smallest error on its *own* waves?

# %%
from mlcourse.evaluation import generalisation_gap

gaps = {}
for n_waves, (family, learner) in practised.items():
    new_waves = Sinusoids(k_shot=10, n_query=10)
    gap = generalisation_gap(learner, family, new_waves, n_tasks=600, rng=default_rng(42))
    print(f"{n_waves:3} waves: gap {gap.mean:+.2f} ± {gap.half_width:.2f}")
    gaps[n_waves] = gap

# %% tags=["hide-input"] slide=["30 is nearer to 300; 10 waves are learned by heart"]
rows = [
    (f"{n_waves} waves, {where}", part.mean, part.half_width)
    for where, side in (("meta-train", "train"), ("meta-test", "test"))
    for n_waves, part in ((n_waves, getattr(gap, side)) for n_waves, gap in gaps.items())
]
figure = figures.intervals(
    rows, xlabel="query error after one step (mean squared error)", reference={"exact answer": 0},
    title="on the waves practised on, and on new ones",
)
figures.show(figure, alt="Six dots with 95 % intervals. On their own waves: 10 waves 0.5, 30 and 300 waves about 1. On new waves: 10 waves 3, 30 waves 1.5, 300 waves 1.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert abs(gaps[10].train.mean - 0.5) < 0.2 and abs(gaps[10].test.mean - 3) < 0.8, gaps[10]
assert abs(gaps[30].train.mean - 1) < 0.4 and abs(gaps[30].test.mean - 1.5) < 0.4, gaps[30]
assert abs(gaps[300].train.mean - 1) < 0.3 and abs(gaps[300].test.mean - 1) < 0.3, gaps[300]
assert gaps[10].train.mean < min(gaps[30].train.mean, gaps[300].train.mean) - 0.1
assert gaps[10].test.mean > 3 * gaps[10].train.mean and gaps[10].mean + gaps[10].half_width < -1
assert gaps[10].mean + 1 < gaps[30].mean < gaps[300].mean - 0.1 and abs(gaps[300].mean) < 0.25
assert gaps[10].test.mean - gaps[30].test.mean > 2 * (gaps[30].test.mean - gaps[300].test.mean)

# %% [markdown]
# **What you saw.** 30 waves are closer to 300, and the start from 10 waves is the best on its own waves. On new waves it is the worst, with an error several times as large: it has learned its tasks by heart. So a gap between errors is negative, and a gap between accuracies is positive. With 30 waves the gap is smaller, with 300 it is almost zero. A score on meta-train tasks alone says little. The gap says whether more meta-train tasks would help.
#
# **A shift is something else.** With a **distribution shift** the new tasks come from *another* family. Let us turn the waves upside down, with phases from π to 2π. We compare two starts: ours from 300 waves, and the start of notebook 00, which was trained for longer and on 1,750,000 waves of the old kind.

# %% [markdown]
# **Predict.** A learner that always says 0 has an error of about 4 on both kinds of waves. Each start takes its step on ten points of an upside-down wave. Which of the two starts beats this simple learner there, and by how much?

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
assert abs(few_old.mean - 1) < 0.3 and few_new.mean > zero_new.mean + 0.3 and zero_new.mean - many_new.mean > 0.6 and abs(zero_new.mean - 4.1) < 0.4, shifted
assert zero_new.mean - 1.5 < many_new.mean < zero_new.mean - 0.3
assert abs(many_old.mean - 0.34) < 0.05 and abs(many_new.mean - 3.1) < 0.3 and np.isclose(zero_old.mean, zero_new.mean)
family, flipped = (kind(10, 10).sample(2, default_rng(0)) for kind in (Sinusoids, UpsideDown))
assert np.allclose(family.query.y, -flipped.query.y)

# %% [markdown]
# **What you saw.** Our start does worse than saying 0. The start with the long training does better, by about one, but its error goes from 0.3 to 3. This is not a gap: it was trained on more than enough tasks of the old kind. More tasks of the old kind close a gap; a shift needs tasks of the new kind. A table should say which of the two it measures.

# %% [markdown]
# ## What can go wrong
#
# **A ± that is something else.** You have met three: the spread of the tasks, the interval of the mean, and the spread over seeds. If a paper does not say which, work backwards. If the ± is an interval over $n$ tasks, then the scores have the standard deviation $s = (\text{the} \pm) \cdot \sqrt n / 1.96$. For accuracies in per cent $s$ is at most 50: half of them 0 and half of them 100.
#
# **Leak 1: support points in the query set.** One wrong index is enough when the examples are split. Here the five support images are scored as well:

# %%
class Overlapping(Episodes):
    def sample(self, n_tasks, rng):
        support, query = super().sample(n_tasks, rng)
        x = np.concatenate([support.x, query.x], axis=1)
        y = np.concatenate([support.y, query.y], axis=1)
        return Task(support, Examples(x, y))

overlapping = Overlapping(characters.test, n_way=5, k_shot=1, n_query=5)
leaked = evaluate(nearest_neighbour, overlapping, n_tasks=600, rng=default_rng(0))
print(f"honest      {nearest.mean:.1%} ± {nearest.half_width:.1%}")
print(f"overlapping {leaked.mean:.1%} ± {leaked.half_width:.1%}")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert 9 < 100 * (leaked.mean - nearest.mean) < 10.5

# %% [markdown] slide=["The best of 60 equal settings", "It was chosen on 20 meta-test tasks.", "How large is its lead there, and on 600 fresh tasks?"]
# More than nine points too many: 5 of the 30 scored images are always right. Nothing looks suspicious.
#
# **Leak 2: choosing on the meta-test tasks.** Let 60 "settings" compete. Each is nearest class mean on its own random third of the pixels, so no setting is really better.
#
# **Predict.** We take the best of the 60 on 20 meta-test tasks. How many points above the mean of the 60 does it score there? And how large is its lead on 600 fresh tasks?

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
blind = [
    evaluate(with_pixels(mask), five_way, n_tasks=600, rng=default_rng(2)).mean
    for mask in masks[:12]
]
print(f"lead of the winner on the 20 tasks: {100 * (max(tried) - np.mean(tried)):+.1f} points")
print(f"lead on 600 fresh tasks, over 12 of the others: {100 * (fresh.mean - np.mean(blind)):+.1f} points")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert max(tried) - fresh.mean > 0.03, (max(tried), fresh.mean)
assert abs(fresh.mean - np.mean(blind)) < 0.01 < max(tried) - np.mean(tried), (fresh.mean, np.mean(blind))
assert np.mean(tried) > np.mean(blind) + 0.01, (np.mean(tried), np.mean(blind))
assert np.ptp(blind) < 0.04 and np.std(blind) < 0.8 * np.std(tried[:12]), blind
assert abs(100 * (max(tried) - np.mean(tried)) - 4) < 1

# %% [markdown] slide=["About 4 points, and nothing of it is left", "Choose on meta-validation tasks.", "Look at the meta-test tasks once."]
# **What you saw.** A lead of about 4 points, and nothing of it is left on fresh tasks. The lead was luck, picked out of 60 tries. Choose on meta-validation tasks, and look at the meta-test tasks once.
#
# **Leak 3: looking at the queries together.** A learner may look at the whole query set at once. That is called **transductive**. It is allowed, but it is another problem: in use, queries often come one by one. Here is the extreme case. Our queries are sorted by class, five of each. A learner can use their order and ignore the pictures:

# %%
def counts_along(support, query_x):
    n_way = support.y.max() + 1
    return np.arange(len(query_x)) * n_way // len(query_x)  # 0 0 0 0 0 1 1 ...

cheated = my_evaluate(counts_along, five_way, accuracy, 100, default_rng(0))
print(f"my_evaluate: {cheated.mean():.0%}")
try:
    evaluate(counts_along, five_way, n_tasks=100, rng=default_rng(0))
except ValueError as error:
    print("evaluate:", *str(error).split(": "), sep="\n   ")

# %% [markdown]
# `my_evaluate` reports 100 %. The packaged `evaluate` first gives the learner a few queries alone, and all of them in another order. If a prediction changes, `evaluate` raises an error, unless you pass `transductive=True`.
#
# The message also names *batch normalisation*. Such a layer centres and scales with the mean and spread of its batch. If its batch is the query set, the learner is transductive. `queries="alone"` puts each query into a batch without the other queries.
#
# Here is a transductive learner of the honest kind. It labels the queries, adds them to the class means, and labels them again:

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
assert cheated.mean() == 1.0
assert abs(100 * (together.mean - alone.mean) - 5.3) < 0.5, (alone, together)

# %% [markdown]
# About 5 points more, with one label per class. Do not put both numbers in the same column. Batch normalisation over the query set can do the same. This is one reason why papers print different numbers for one method. Notebook 07 comes back to it.

# %% [markdown]
# ### Exercise 3.4 ●●○○○ Find the leaks
# *5 minutes. Why it matters: you will read more tables than you make.*
#
# Five sentences from reports. Which of them describe a leak, or a score that needs a note in the table? Answer with their letters in one string, such as `"bd"`.
#
# - **a** "The inner rate was chosen on the 600 tasks whose score we print."
# - **b** "The queries of each task are shuffled before the learner gets them."
# - **c** "At test time, batch normalisation uses the statistics of the task's queries. The table does not say so."
# - **d** "All methods are scored on the same 600 tasks, drawn with seed 42."
# - **e** "The drawings of each character were divided at random into meta-train and meta-test."

# %% tags=["exercise"]
leaks = ...

# %% tags=["check"]
checks.nb03.leaks(leaks)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# For each sentence: which information reaches the learner, or its tuning, that would not be there on a new task?
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
# **a** chooses on the meta-test tasks. **c** uses the queries together and does not say so. **e** trains on the test classes. **b** removes the order that shows the labels, and **d** makes methods comparable.
#
# </details>

# %% [markdown]
# ## Quiz
#
# **1.** A paper reports 62.1 ± 9.8 % over 600 tasks. Can 9.8 be a 95 % interval of the mean?
#
# <details><summary>Answer</summary>
#
# No. The scores would need a standard deviation of $9.8 \cdot \sqrt{600} / 1.96 \approx 122$ points, and accuracies reach at most 50, half of them 0 and half of them 100. So 9.8 is the spread of the tasks; the interval would be about $1.96 \cdot 9.8 / \sqrt{600} \approx 0.8$.
#
# </details>
#
# **2.** On the same 600 tasks, A has 70.2 ± 0.9 % and B has 69.1 ± 0.9 %. The intervals overlap. Does that mean that there is no difference?
#
# <details><summary>Answer</summary>
#
# No. The tasks are the same, so look at the differences task by task and give *their* interval. It is narrower than the ± 1.3 of two separate samples if hard tasks are hard for both. And if each method was trained only once, even a clear difference may be the luck of a seed.
#
# </details>
#
# **3.** A learner scores 95 % on meta-train tasks and 70 % on meta-test tasks. Which number do you report, and what does the other one tell you?
#
# <details><summary>Answer</summary>
#
# The 70 %, because the learner will be used on new tasks. If both sets of tasks come from one source, the gap of 25 points says that much of what was learned holds for the meta-train classes only. More meta-train tasks may help more than a better inner loop. If the sources differ, part of the 25 points is a shift.
#
# </details>

# %% [markdown]
# ## What you can do now
#
# - Score any learner on many tasks, with an interval that you can defend.
# - Say which of three things a ± is, and which question it leaves open.
# - Read an adaptation curve: height, drop, and the steps to a target.
# - Tell a gap, which more tasks close, from a shift, which they do not.
# - Split the error of a start into bias and variance.
# - Make a leak happen, and find it in other people's tables.
#
# ## What comes next
#
# You know how to measure. In [clinic 03c](03c_clinic.ipynb) you find the one flaw of an invented report. [Notebook 04](04_gradients_through_gradients.ipynb) opens the black box `grad`, because the MAML start above is found by differentiating *through* a gradient step.
#
# ## References
#
# - J. Baxter, *A Model of Inductive Bias Learning*, Journal of Artificial Intelligence Research 12, 2000, [doi:10.1613/jair.731](https://doi.org/10.1613/jair.731): bounds in the number of tasks and of examples in each.
# - S. Geman, E. Bienenstock, R. Doursat, *Neural Networks and the Bias/Variance Dilemma*, Neural Computation 1992, [doi:10.1162/neco.1992.4.1.1](https://doi.org/10.1162/neco.1992.4.1.1).
# - E. Grant, C. Finn, S. Levine, T. Darrell, T. Griffiths, *Recasting Gradient-Based Meta-Learning as Hierarchical Bayes*, ICLR 2018, [arXiv:1801.08930](https://arxiv.org/abs/1801.08930): a start and few steps as a prior.
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): adaptation curves on sines.
# - W.-Y. Chen, Y.-C. Liu, Z. Kira, Y.-C. F. Wang, J.-B. Huang, *A Closer Look at Few-shot Classification*, ICLR 2019, [arXiv:1904.04232](https://arxiv.org/abs/1904.04232): one comparison of published methods and of a simple baseline that keeps up with them.
# - A. Nichol, J. Achiam, J. Schulman, *On First-Order Meta-Learning Algorithms*, 2018, [arXiv:1803.02999](https://arxiv.org/abs/1803.02999): transductive scores and others, reported separately.
# - J. Snell, K. Swersky, R. Zemel, *Prototypical Networks for Few-shot Learning*, NeurIPS 2017, [arXiv:1703.05175](https://arxiv.org/abs/1703.05175): nearest class mean, in a learned space.
