# %% [markdown]
# # Start here
#
# Two neural networks get the same **five points** of a curve that neither has met. Each takes **one step** of learning. Both have the same size and follow the same rule. One of them has practised on other curves before. On this page you see how much that changes, and what this course lets you build.

# %% [markdown]
# ## Before you start
#
# | | |
# | --- | --- |
# | **It gives you** | a first win, and an environment that works |
# | **You will be able to** | say what meta-learning is · compare a trained start with a random one · use this course's cells, steppers and checks |
# | **You need** | Python with functions, dicts and a little NumPy, and the words *loss*, *gradient* and *learning rate*. No GPU, no internet |
# | **Time** | 20 minutes to read, 3 for the exercises, about 15 seconds to run |
#
# In JupyterLab, click into the first code cell and press **Shift + Enter**. That runs it and goes on to the next. Run them all, from the top. On a web page you can simply read: all results are stored, and the interactive pictures work. To install the course, see `README.md` in its folder.

# %% tags=["setup"]
import numpy as np

from mlcourse.lessons import checks, figures
from mlcourse.tasks import five_points

task, wave = five_points()
x, y = task.support          # the five points, shape (5, 1)
grid, truth = task.query     # 201 points of the whole wave, shape (201, 1)

# %% [markdown] slide=["Practise learning", "Not many examples of one task.", "Many small tasks, a few examples each."]
# ## What meta-learning is
#
# After training on one task, a network is no better at learning the next one. It begins again from zero, with thousands of examples. You do not. If you can read three alphabets, you need to see a letter of a fourth only once, because you have practised learning letters.
#
# **Meta-learning** gives a machine that practice. It does not train on many examples of one task. It trains on many small tasks, with a few examples each. We judge it by one thing: how well it does on a *new* task after a few examples of it.

# %% tags=["hide-input"] jupyter={"source_hidden": true} slide=["Nine waves to practise on, five points of a new one"]
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
# All nine curves on the left are sine waves. That is what they have in common, and it can be learned beforehand. They differ in height and shift, and those must come from the five points on the right. This is the whole idea. The rest of the course makes it precise, builds it, and asks when it fails.

# %% [markdown] slide=["Same five points, same rule, one step each", "Random numbers, or numbers that MAML found on other waves.", "What share of its error does each network lose?"]
# ## Your first win
#
# Now the two networks from the top. They have the same size, get the same five points and take the same gradient step. They differ in one thing: their numbers at the start. The first starts from random numbers. The second starts from numbers that **MAML** found while it practised on other waves. MAML is short for *model-agnostic meta-learning*, the method of notebook 05. This wave was not among them.
#
# We measure the error on the *whole* wave: take the differences, square them, take the mean.
#
# **Predict.** What share of its error does each network lose in this one step? And left of the five points, where there is nothing to fit, will either curve be right? Write down your guess.

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

# %% tags=["hide-input"] slide=["Random start: almost nothing. MAML: nearly all"]
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
# **What you saw.** From the random start, one step changes almost nothing: 5.0 before, 4.9 after. From MAML's start the error falls from 2.3 to 0.1. The second curve is right on the left too, where there are no points at all. The network draws the wave there because its start comes from practice on waves. A larger step does not save the random start: of seven learning rates from 0.001 to 0.2, none brings its error below 4.5.
#
# Is the comparison fair? This is only one wave and one random start. Notebook 03 shows how to measure such a thing, and 05 does it on 600 waves with tuned rivals.

# %% [markdown]
# ## Two sets and two loops
#
# How did MAML practise? Each of its small tasks has two sets of points. The network learns from the first, the **support** set. It is judged on the second, the **query** set. Your five points are the support set of a task.

# %% tags=["hide-input"] jupyter={"source_hidden": true} slide=["Learn from the support, be judged on the query"]
with figures.style():
    figure, (left, right) = figures.canvas(1, 2, height=2.3, sharey=True)
    for panel in (left, right):
        panel.plot(grid, truth, color=figures.TRUTH, linewidth=3)
        panel.set(xlim=(-5.3, 5.3), xticks=[-5, 0, 5], xlabel="x")
    left.scatter(x, y, s=34, color=figures.INK, zorder=3)
    right.scatter(grid[::10], truth[::10], s=24, color="white", edgecolors=figures.INK, linewidths=1.2, zorder=3)
    left.set(title="support: learn from these", ylabel="y")
    right.set_title("query: judged on these")
figures.show(figure, alt="The same grey sine wave twice. Left, titled support, learn from these: five filled dots between x = −1 and x = 5. Right, titled query, judged on these: twenty-one hollow dots along the whole wave.")

# %% [markdown]
# Practice is then two loops, one inside the other. The **inner loop** learns one task: it starts from $\theta$ (theta), the numbers of the network at the start, and ends with $\varphi$ (phi), its numbers after learning from the support set. The **outer loop** looks at the errors of many $\varphi$ on their query sets, and improves $\theta$. You will meet these two letters on every page.

# %% tags=["hide-input"] jupyter={"source_hidden": true} slide=["Two loops, one inside the other"]
from matplotlib.patches import FancyBboxPatch

def box(axes, x, y, width, height, text, colour=figures.INK):
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.2", facecolor="white", edgecolor=colour, linewidth=1.6)
    axes.add_patch(shape)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=9.5, linespacing=1.35)

def arrow(axes, start, end):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": figures.INK, "lw": 1.6, "shrinkA": 0, "shrinkB": 0})

with figures.style():
    figure, axes = figures.canvas(height=2.9)
    box(axes, 4.1, 0.1, 5.8, 6.8, "", palette.TASKS[0])
    axes.text(7, 6.3, "inner loop: one task", ha="center", va="center", fontsize=10)
    box(axes, 0.1, 3.9, 2.6, 1.6, "θ\nthe start")
    box(axes, 4.6, 3.9, 4.8, 1.6, "learn from the support:\nθ becomes φ")
    box(axes, 4.6, 0.7, 4.8, 1.6, "judge φ\non the query")
    arrow(axes, (2.7, 4.7), (4.6, 4.7))
    arrow(axes, (7, 3.9), (7, 2.3))
    axes.plot([4.6, 1.4], [1.5, 1.5], color=figures.INK, linewidth=1.6)
    arrow(axes, (1.4, 1.5), (1.4, 3.9))
    axes.text(0, 0.55, "outer loop: improve θ,\ntake other tasks", va="center", fontsize=9.5, linespacing=1.35)
    axes.set(xlim=(-0.1, 10), ylim=(0, 7))
    axes.set_axis_off()
figures.show(figure, alt="A diagram of two loops. From a box θ, the start, an arrow leads into a frame, the inner loop of one task: learn from the support, θ becomes φ; then judge φ on the query. From there an arrow leads back to θ: the outer loop, improve θ, take other tasks.")

# %% [markdown] slide=["Two guesses at the wave", "One joins the five dots by straight lines.", "The other says 0 everywhere. Whose error is larger?"]
# ## How to use this course
#
# **Change things.** Put other numbers into a cell and run it again. Nothing can break: *Kernel → Restart Kernel and Run All Cells* brings you back. Some cells are folded. They draw pictures or check the numbers in the text, and you need not open them.
#
# **Predictions wait.** Before a surprising cell there is a question, and the answer stays closed. On a web page you open it with *I have answered*. In JupyterLab the output stays folded until you run the cell. Say your guess first: a wrong guess shows you what you did not know. Here is another one:
#
# **Predict.** Two people guess the wave behind the five points. The first joins the dots with straight lines, so all five points are right. The second gives up and answers 0 everywhere. Whose curve has the larger mean squared error on the whole wave?

# %%
joined = np.interp(grid[:, 0], x[:, 0], y[:, 0])[:, None]
flat = np.zeros_like(truth)

print(f"joins the dots {np.mean((joined - truth) ** 2):.1f}")
print(f"gives up       {np.mean((flat - truth) ** 2):.1f}")

# %% tags=["hide-input"] slide=["Joining the dots is worse: 7.7 against 4.4"]
figure = figures.fits({"joined": joined, "flat": flat}, grid=grid, support=task.support, truth=truth)
figures.show(figure, alt="Five dots on a grey sine wave. Straight lines join the dots and run flat to the left of them, far from the wave; the other guess is a flat line at zero.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
assert np.allclose(np.interp(x[:, 0], x[:, 0], y[:, 0]), y[:, 0])
assert abs(np.mean((joined - truth) ** 2) - 7.7) < 0.05 and abs(np.mean((flat - truth) ** 2) - 4.4) < 0.05

# %% [markdown]
# **What you saw.** Joining the dots is worse: an error of 7.7, against 4.4 for giving up. A curve through all five points can still be far from the wave. Neither guess uses the fact that the curve is a *wave*. Five points cannot tell you that. Practice on other waves can.
#
# **Steppers** walk through an algorithm. This one learns another wave from five support points, one step at a time. You may count only four, because two of them nearly coincide at the far left. If you see a picture without buttons, run the cell. Then press **Inner step**, or move the slider with the mouse or the arrow keys.

# %% slide=["A loop, one step at a time"]
from mlcourse.lessons.widgets import Stepper

Stepper(stage="task")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
stepped = Stepper(stage="task").loops.tasks
places = np.sort(stepped.support.x[0, :, 0])
assert places.shape == (5,) and places[1] - places[0] < 0.1 and places[1] < -3.5, places
assert stepped.query.x.shape == (1, 20, 1)

# %% [markdown]
# The model in this stepper is not a network. It has only two numbers, the height and the shift of a wave. *Function space* shows the curve. *Parameter space* shows the two numbers as one dot. The lines are contour lines: along each of them the error on the five support points is the same. Every step moves the dot to a smaller error, towards the star. The star marks the true wave. The numbers below the buttons show the error on 20 *other* points.
#
# **Exercises** come with a check, two hints and a solution. The circles say how hard each is. If one does not work out, read on: the lesson never depends on your answer.
#
# **What passes is kept.** When a function of yours passes its check, it is written as plain Python into `notebooks/my_work`. Later notebooks run your function where they can, and print one line that says whose code runs. Try it with this one.

# %% [markdown] slide=["Subtract, square, take the mean."]
# ### Exercise 0.1 ●○○○○ The error of a guess
# *3 minutes. Why it matters: this error is the loss in notebooks 00 to 06.*
#
# First run the check below as it is, to see what it says. Then write the **mean squared error**: subtract, square, take the mean. Put your answer in place of `...`, and run both cells again. When it has passed, make a mistake on purpose: leave the square out, and read what the check says. What you have passed stays passed.

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
# ## Where this leads: a character drawn once, and recognised
#
# The same idea works on pictures. Each row below shows one character of a writing system that was not used in training. A learner gets **one** drawing of each, on the left. Then, for each drawing on the right, it must say which of the five characters it is. Notebook 01 explains the words in the code, and where the characters come from.

# %%
from mlcourse.tasks.images import Episodes
from mlcourse.tasks.lessons import characters

unseen = characters().test
episodes = Episodes(unseen, n_way=5, k_shot=1, n_query=4)

# %% tags=["hide-input"] slide=["One drawing of each. Which are the others?"]
from mlcourse.tasks import one

example = one(episodes.sample(1, np.random.default_rng(8)), 0)
figure = figures.episode_grid(example, n_query=4)
figures.show(figure, alt="Five rows, one for each unknown character: one framed drawing on the left, four other drawings of the same character on the right.")

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
from mlcourse.baselines import nearest_neighbour
from mlcourse.evaluation import evaluate
from mlcourse.experiments import results

by_pixels = evaluate(nearest_neighbour(), episodes, n_tasks=600, rng=np.random.default_rng(0)).mean
assert abs(by_pixels - 0.43) < 0.01 or unseen.name != "glyphs", by_pixels
assert 0.3 < by_pixels < 0.6
drawn_once = {row["method"]: row["values"]["Omniglot, 1-shot"][0] for row in results.load("drawing")["rows"]}
assert abs(drawn_once["the browser's own arithmetic"] - 98) < 0.5
assert abs(drawn_once["nearest class mean on the pixels"] - 74) < 0.5

# %% [markdown]
# | a learner | right answers |
# | --- | ---: |
# | guesses | 20 % |
# | takes the left drawing whose pixels are most similar | 43 % |
# | *prototypical network*, [published](https://arxiv.org/abs/1703.05175), on real handwriting | 98.8 % |
#
# The first two rows are for the characters above. The last row is for other data: Omniglot, a collection of handwritten characters. What is such a score like in practice? Below is such a network. We trained it on other writing systems, and it runs inside this page. It has one drawing of each of three symbols, and names a fourth drawing. Press **Start with empty cards** and make up symbols of your own.

# %% slide=["Drawn once, and recognised"]
from mlcourse.lessons.widgets import DrawOnce

DrawOnce()

# %% tags=["claims", "remove-cell"] jupyter={"source_hidden": true}
drawn = DrawOnce()
assert drawn.probabilities().argmax() == 2 and drawn.probabilities()[2] > 0.9

# %% [markdown]
# Your symbols were not in its training, and it does not train on them now: one drawing of each is enough. We also tested it on 600 tasks of real handwriting, with five characters each. These characters were not in its training. It named 98 % of the drawings correctly. The page first centres each drawing and brings it to one size. With that help, comparing pixels gets 74 %. The network always names one of your symbols, even for a scribble. Can you find two symbols that it mixes up?
#
# In 01 you build such tasks yourself. From 02 to 06 you learn the machinery on curves, where you can see everything. [07](07_few_shot_images.ipynb) takes it to these characters, and in [08](08_prototypical_networks.ipynb) you train a prototypical network on them. [09](09_the_same_lines_on_a_gpu.ipynb) makes training fast. This edition of the course ends there.

# %% [markdown]
# ## Is your machine ready?
#
# The next cell looks at what is installed, and changes nothing. On a published page you see the machine that built it.

# %% tags=["nbval-ignore-output"]
from mlcourse import doctor

findings = [finding for finding in doctor.examine() if finding.name != "notebooks"]  # you are in one
for finding in findings:
    print("✓" if finding.status == doctor.OK else "!", finding.name)
    if finding.status != doctor.OK:
        print(f"    {finding.found}\n    {finding.fix}")
print("Ready." if doctor.healthy(findings) else "Not ready: mend what is marked above.")

# %% [markdown]
# A line with `!` says what is missing and what to type. As long as the last line says *Ready*, go on: no notebook needs a GPU or a C++ compiler.

# %% [markdown]
# ## What you have solved so far
#
# Your passport lists every exercise of the course, the day on which you passed it, and how many tries it took. Stored pages show it empty. Yours fills up while you work.

# %% tags=["nbval-ignore-output"]
from mlcourse.lessons import passport

passport()

# %% [markdown]
# You find it as a page, too, in `notebooks/my_work/passport.md`. In a terminal, `python -m mlcourse passport` prints it.

# %% [markdown]
# ## Where things are
#
# | | |
# | --- | --- |
# | `notebooks/` | the course, to be read in order |
# | `notebooks/my_work/` | your passport, and what you have solved |
# | `mlcourse/reference/` | the methods in NumPy, written to be read |
# | `mlcourse/fast/` | the same functions in PyTorch, written to be run |
# | `mlcourse/tasks/` | what the learners learn from |
# | `python -m mlcourse --help` | the command line: check the machine, fetch data, make measured tables again |
#
# | If you want | read |
# | --- | --- |
# | the whole way, from zero | 01 to 09 in order, one notebook each evening |
# | MAML, and you know autograd well | [01](01_what_is_a_task.ipynb), [02](02_why_ordinary_learning_fails.ipynb), [03](03_measuring_adaptation.ipynb), then [05](05_maml_from_zero.ipynb) and [06](06_first_order_and_reptile.ipynb) |
# | images | [01](01_what_is_a_task.ipynb), [07](07_few_shot_images.ipynb) and [08](08_prototypical_networks.ipynb) |
# | to trust, or doubt, a score from a few examples | [01](01_what_is_a_task.ipynb) and [03](03_measuring_adaptation.ipynb) |
# | to teach with it | the *Instructor guide*, a page of the book: `book/instructor_guide.md` |
#
# A page with a letter in its number, such as 06b, is an appendix. It goes deeper, and no other page needs it.

# %% [markdown]
# ## What comes next
#
# You have seen that a starting place can hold what practice on other tasks gives. [Notebook 01](01_what_is_a_task.ipynb) asks what exactly was practised. What is a task, where do tasks come from, and how can you cheat with them without noticing?
#
# ## References
#
# - C. Finn, P. Abbeel, S. Levine, *Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks*, ICML 2017, [arXiv:1703.03400](https://arxiv.org/abs/1703.03400): MAML, and the waves of this page.
# - J. Snell, K. Swersky, R. Zemel, *Prototypical Networks for Few-shot Learning*, NeurIPS 2017, [arXiv:1703.05175](https://arxiv.org/abs/1703.05175): the 98.8 %, in table 1, on Omniglot.
# - T. Hospedales and others, *Meta-Learning in Neural Networks: A Survey*, 2022, [arXiv:2004.05439](https://arxiv.org/abs/2004.05439): the whole field, once you have finished 06.
