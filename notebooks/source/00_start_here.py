# %% [markdown]
# # Start here
#
# You give a neural network **five points** of a curve that it has never seen, and let it take **one step** of learning. At the end of this page one network draws the whole curve. Another one, with the same five points and the same step, hardly moves. This course shows you how to build the first.

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | an environment that works, and a first win |
# | **You will be able to** | say what meta-learning is · use this course's cells, steppers and checks · see a trained start beat a random one |
# | **You need** | Python (functions, dicts, a little NumPy), and to have met a neural network: *loss*, *gradient* and *learning rate* should not be new words. No GPU, no internet |
# | **Time** | 18 minutes to read, about 15 seconds to run (the first time longer: a cell tries the C++ compiler) |
#
# In JupyterLab, click into the first code cell and press **Shift + Enter**: that runs it and goes on to the next. Run them all, from the top. (On a web page you can skip the running: all results are there, and the playgrounds work. The book's page *How to use this book*, and `README.md` in the course's folder, say how to get the course onto your machine.)

# %% tags=["setup"]
import numpy as np

from mlcourse.lessons import checks, figures
from mlcourse.tasks import five_points

task, wave = five_points()    # the five points, and the wave that they come from

# %% [markdown]
# ## What meta-learning is
#
# A network that has learned one task has learned nothing about *learning*. Give it another task, and it begins again from nothing, with thousands of examples. You do not. If you can read three alphabets, you need to see a letter of a fourth one only once, because you have practised learning letters.
#
# **Meta-learning** gives a machine that practice. It does not train on many examples of one task. It trains on many small tasks, with a few examples each. And it is judged on one thing: how well it does on a *new* task, after only a few examples of that.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
from mlcourse.lessons import palette
from mlcourse.tasks import Sinusoids

def small_task(axes, x, y, curve, colour, size):
    grid = np.linspace(-5, 5, 101)
    axes.plot(grid, curve, color=colour, linewidth=1.4, alpha=0.8)
    axes.scatter(x, y, s=size, color=colour, zorder=3)
    axes.set(xticks=[], yticks=[], xlim=(-5.4, 5.4), ylim=(-5.8, 5.8))
    axes.spines[:].set(visible=True, color=figures.LINE)

with figures.style():
    figure, (left, right) = figures.canvas(1, 2, height=2.7)
    waves = Sinusoids().draw(9, np.random.default_rng(4))
    practice = Sinusoids(k_shot=5, n_query=1).examples(waves, np.random.default_rng(5))
    curves = waves(np.linspace(-5, 5, 101)[:, None])
    for i in range(9):
        inset = left.inset_axes((0.34 * (i % 3), 0.68 - 0.34 * (i // 3), 0.31, 0.31))
        small_task(inset, practice.support.x[i], practice.support.y[i], curves[i], palette.TASKS[i % 5], 7)
    small_task(right, task.support.x, task.support.y, np.full(101, np.nan), figures.INK, 34)
    right.text(-2.9, 0, "?", fontsize=30, ha="center", va="center", color=figures.QUIET)
    left.set_axis_off()
    left.set_title("practise on many small tasks …")
    right.set_title("… then meet a new one: five points")
figures.show(figure, alt="Left: nine small sine waves of different heights and shifts, five dots on each. Right: one larger panel with five dots and a question mark where the rest of the curve should be.")

# %% [markdown]
# Look at the nine tasks on the left: what do they have in common, and in what do they differ? What is common can be learned beforehand. Only the rest must come from the five points on the right. That is the whole idea. The rest of the course makes it precise, builds it, and asks when it fails.
#
# *Whom it is for.* Learners who want to understand meta-learning by building it, teachers who want exercises that check themselves, and practitioners who want figures that can be trusted.

# %% [markdown]
# ## Where this leads: a character drawn once, and recognised
#
# Each row below is a character from a script that a learner has never met. It is shown **one** drawing of each, on the left. Then it must say which of the five each drawing on the right is. (Notebook 01 explains the words in the code, and where the characters come from.)

# %%
from mlcourse.tasks.images import Episodes
from mlcourse.tasks.lessons import characters

unseen = characters().test
episodes = Episodes(unseen, n_way=5, k_shot=1, n_query=4)

# %% tags=["hide-input"]
from mlcourse.tasks import one

example = one(episodes.sample(1, np.random.default_rng(8)), 0)
figure = figures.episode_grid(example, n_query=4)
figures.show(figure, alt="Five rows, one for each unknown character: one framed drawing on the left, four other drawings of the same character on the right.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
from mlcourse.baselines import nearest_neighbour
from mlcourse.evaluation import evaluate

by_pixels = evaluate(nearest_neighbour(), episodes, n_tasks=600, rng=np.random.default_rng(0)).mean
assert abs(by_pixels - 0.43) < 0.01 or unseen.name != "glyphs", by_pixels
assert 0.3 < by_pixels < 0.6

# %% [markdown]
# Guessing is right in 20 % of the cases. Comparing pixels, and naming the drawing on the left that differs least, gets about **43 %** right. For such tasks with handwritten characters, *prototypical networks* were published with [98.8 %](https://arxiv.org/abs/1703.05175).
#
# How does 98 feel? The network below is prototypical, trained by this course on the characters of other scripts, and small enough to travel with the page. Three symbols have been drawn once each, and one of them again by another hand. Press **Start with empty cards** and make up symbols of your own.

# %%
from mlcourse.lessons.widgets import DrawOnce

DrawOnce()

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
from mlcourse.experiments import results

drawn = DrawOnce()
assert drawn.probabilities().argmax() == 2 and drawn.probabilities()[2] > 0.9
in_browser = {row["method"]: row["values"] for row in results.load("drawing")["rows"]}["the browser's own arithmetic"]
assert abs(in_browser["Omniglot, 1-shot"][0] - 98) < 0.5

# %% [markdown]
# It has never seen your symbols, and it does not train on them: one drawing of each is enough. On 600 tasks of unseen handwriting it is right in 98 % of the cases. (It always names one of your symbols, even for a scribble. Did you find two symbols that it mixes up?)
#
# The way there: in 01 you build such tasks yourself. From 02 to 06 you learn the machinery on curves, where you can see everything. [07](07_few_shot_images.ipynb) takes it to these characters, and in [08](08_prototypical_networks.ipynb) you train a prototypical network on them that is right more than 95 times of 100, in less than a minute. This edition of the course ends with 09.

# %% [markdown]
# ## Is your machine ready?
#
# The next cell looks at what is installed, and changes nothing.

# %% tags=["nbval-ignore-output"]
from mlcourse import doctor

findings = [finding for finding in doctor.examine() if finding.name != "notebooks"]  # you are in one
for finding in findings:
    print("✓" if finding.status == doctor.OK else "!", finding.name)
    if finding.status != doctor.OK:
        print(f"    {finding.found}\n    {finding.fix}")
print("Ready." if doctor.healthy(findings) else "Not ready: mend what is marked above.")

# %% [markdown]
# (On a published page you see the machine that built it.) A line with `!` says what is missing and what to type. As long as the last line says *Ready*, go on: no notebook needs a GPU or a C++ compiler.

# %% [markdown]
# ## How to use this course
#
# **Change things.** Put other numbers into a cell and run it again: nothing can break. *Kernel → Restart Kernel and Run All Cells* brings you back. Folded cells, marked ●●●, draw a picture or check that the figures in the text are true. You need not open them.
#
# **Predict, then run.** Before a surprising cell there is a question. Answer it before you run the cell, even if you only guess. It takes ten seconds, and a wrong guess shows you what you did not know. Here is one:
#
# **Predict.** Two people guess the wave behind the five points. The first joins the dots with straight lines, so all five points are right. The second gives up and answers 0 everywhere. Whose curve is further from the wave, on the whole? (As so often: take the differences, square them, take the mean.)

# %%
x, y = task.support          # five points, shape (5, 1)
grid, truth = task.query     # 201 points of the whole wave, shape (201, 1)

joined = np.interp(grid[:, 0], x[:, 0], y[:, 0])[:, None]
flat = np.zeros_like(truth)

print(f"joins the dots {np.mean((joined - truth) ** 2):.1f}")
print(f"gives up       {np.mean((flat - truth) ** 2):.1f}")

# %% tags=["hide-input"]
figure = figures.fits({"joined": joined, "flat": flat}, grid=grid, support=task.support, truth=truth)
figures.show(figure, alt="Five dots on a grey sine wave. Straight lines join the dots and run flat to the left of them, far from the wave; the other guess is a flat line at zero.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.allclose(np.interp(x[:, 0], x[:, 0], y[:, 0]), y[:, 0])
assert abs(np.mean((joined - truth) ** 2) - 7.7) < 0.05 and abs(np.mean((flat - truth) ** 2) - 4.4) < 0.05

# %% [markdown]
# **What you saw.** Joining the dots is worse: an error of 7.7, against 4.4 for giving up. To fit the points is not to know the curve. What is missing is that it is a *wave*, and no five points say that. Other waves do.
#
# **Steppers** let you walk through an algorithm. This one learns another wave from five points, one step at a time. Press **Inner step**, or use the slider; the arrow keys move it too. Two letters stand in it and on every page from here on: $\theta$ (theta) is where a learner *starts*, $\varphi$ (phi) is where it is *after* learning from the points. The five dots are called *support points*. (Two of them nearly coincide, at the far left.)

# %%
from mlcourse.lessons.widgets import Stepper

Stepper(stage="task")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
stepped = Stepper(stage="task").loops.tasks
places = np.sort(stepped.support.x[0, :, 0])
assert places.shape == (5,) and places[1] - places[0] < 0.1 and places[1] < -3.5, places
assert stepped.query.x.shape == (1, 20, 1)

# %% [markdown]
# *Function space* shows the curve. *Parameter space* shows the two numbers behind it, the height and the shift of a wave, as one dot. The lines are like those of a map: along each of them the loss is the same, here the error on the five points that it learns from. Every step takes the dot a little further down, towards the star, where the true wave is. (The figures below the buttons are another error: that on 20 points of the wave that it does not learn from.) (Is it a picture without buttons? Then run the cell.)
#
# **Exercises** come with a check, two hints and a solution. The circles say how hard each is. If one does not work out, read on: the lesson never depends on your answer. Try this one.

# %% [markdown]
# ### Exercise 0.1 ●○○○○ The error of a guess
# *3 minutes. Why it matters: this number is called "the loss" on every page from here to 06.*
#
# First run the check below as it is, to see what it says. Then write the **mean squared error**: subtract, square, take the mean. Put your answer in place of `...`, and run both cells again. Then make a mistake on purpose: leave the square out, and read what the check says.

# %% tags=["exercise"]
def squared_error(guess, truth):
    """Return the mean of the squared differences, one number; guess and truth have the same shape."""
    return ...

# %% tags=["check"]
checks.nb00.squared_error(squared_error)

# %% [markdown] tags=["solution"]
# <details><summary>Hint 1</summary>
#
# You have seen this line already, in the cell with the two people who guess.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `guess - truth` is an array of differences. `** 2` squares each of its numbers, and `np.mean(...)` makes one number of them.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def squared_error(guess, truth):
#     return np.mean((guess - truth) ** 2)
# ```
#
# The square makes every difference count as positive, so that misses above and below the curve cannot cancel. The mean makes five points and 201 points comparable.
#
# </details>

# %% [markdown]
# When the answer is right, the check says so and adds what it was good for. (The answer is folded away here, so that you can find your own.)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
# A right answer
checks.nb00.squared_error(lambda guess, truth: np.mean((guess - truth) ** 2))

# %% [markdown]
# ## Your first win
#
# Now the promise from the top. Both networks have the same size, see the same five points and take the same gradient step. They differ in one thing: where they start. One starts from random numbers. The other starts from numbers that **MAML** found while it practised on other waves; it has never met this one. (MAML is the method of notebook 05.)
#
# **Predict.** How much of its error on the whole wave does each lose in one step: a little, half, nearly all?

# %%
from mlcourse import weights
from mlcourse.reference import losses, maml, networks

network = networks.mlp((1, 40, 40, 1))
loss = losses.squared_error(network)
starts = {"random": network.init(np.random.default_rng(0)), "MAML": weights.load("sinusoid_maml")}

adapted = {}
for name, theta in starts.items():    # one step of gradient descent, the same for both
    adapted[name] = maml.adapt(loss, theta, task.support, inner_lr=0.01, inner_steps=1)
    before, after = loss(theta, *task.query), loss(adapted[name], *task.query)
    print(f"{name:8} before {before:.2f}   after {after:.2f}")

# %% tags=["hide-input"]
for name, theta in starts.items():
    curves = {"before": network.apply(theta, grid), "after 1 step": network.apply(adapted[name], grid)}
    figure = figures.fits(curves, grid=grid, support=task.support, truth=truth, title=f"start: {name}")
    figures.show(figure, alt={
        "random": "Random start: the curve is nearly flat before the step and nearly the same after it, far from the grey wave.",
        "MAML": "MAML's start: before the step a low wavy curve, after one step nearly the whole grey wave, also left of the five points.",
    }[name])

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
error = {name: (loss(theta, *task.query), loss(adapted[name], *task.query)) for name, theta in starts.items()}
assert abs(error["random"][0] - 5.0) < 0.1 and abs(error["random"][1] - 4.9) < 0.1, error
assert abs(error["MAML"][0] - 2.3) < 0.05 and abs(error["MAML"][1] - 0.1) < 0.05, error
left = task.query.x < task.support.x.min()
assert left.mean() > 0.4
assert np.mean((network.apply(adapted["MAML"], task.query.x) - task.query.y)[left] ** 2) < 0.3
rates = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2)
best = min(
    loss(maml.adapt(loss, starts["random"], task.support, inner_lr=rate), *task.query) for rate in rates
)
assert best > 4.5, best

# %% [markdown]
# **What you saw.** From the random start, one step changes next to nothing: 5.0 before, 4.9 after. From MAML's start the error falls from 2.3 to 0.1. Look at the left of the picture, where there are no points at all. The network draws the wave there too, because it has practised on waves.
#
# Is the comparison fair? A larger step does not save the random start: of seven learning rates from 0.001 to 0.2, none brings it below 4.5. But one wave and one random start are an anecdote. Notebook 03 shows how to measure such a thing, and 05 does it on 600 waves with tuned rivals.

# %% [markdown]
# ## Where things are
#
# | | |
# | --- | --- |
# | `notebooks/` | the course, to be read in order |
# | `mlcourse/reference/` | the methods in NumPy, written to be read |
# | `mlcourse/fast/` | the same functions in PyTorch, written to be run |
# | `mlcourse/tasks/` | what the learners learn from |
# | `python -m mlcourse --help` | the command line: check the machine, fetch data, make published tables again |
#
# | If you want | read |
# | --- | --- |
# | the whole way, from zero | 01 to 06 in order, one an evening |
# | MAML, and you know autograd well | [01](01_what_is_a_task.ipynb), [02](02_why_ordinary_learning_fails.ipynb), then [05](05_maml_from_zero.ipynb) and [06](06_first_order_and_reptile.ipynb) |
# | to trust (or doubt) a few-shot figure | [01](01_what_is_a_task.ipynb) and [03](03_measuring_adaptation.ipynb) |
# | to teach with it | the *Instructor guide*, a page of the book (`book/instructor_guide.md`) |

# %% [markdown]
# ## What comes next
#
# You have seen that a starting place can hold what other tasks have taught. [Notebook 01](01_what_is_a_task.ipynb) asks what exactly was practised: what is a task, where do tasks come from, and how can one cheat with them without noticing?
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): MAML, and the waves of this page.
# - J. Snell, K. Swersky, R. Zemel, *Prototypical Networks for Few-shot Learning*, NeurIPS 2017, [arXiv:1703.05175](https://arxiv.org/abs/1703.05175): the 98.8 %, in table 1, on Omniglot.
# - T. Hospedales and others, *Meta-Learning in Neural Networks: A Survey*, 2022, [arXiv:2004.05439](https://arxiv.org/abs/2004.05439): the whole field, once you have finished 06.
